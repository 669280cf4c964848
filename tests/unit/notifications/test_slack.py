"""Slack by a bot: the first message about an alert is updated, only what fires is posted."""

import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from factories.alert_factory import alert
from shopnow.alerts.channels import Refused, Unavailable
from shopnow.alerts.dispatcher import deliver
from shopnow.alerts.engine import State
from shopnow.alerts.evaluate import evaluate
from shopnow.alerts.message import Message, ThreadRoot, compose
from shopnow.local_stack.webhook_server import Store, answer_bot, server
from shopnow.notifications.slack import Slack

TOKEN = "xoxb-very-secret"  # noqa: S105
LINK = "http://airflow.example"


class Mailbox:
    """A mail channel that takes everything."""

    def ready(self) -> None: ...

    def send(self, message: Message) -> None: ...


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """The local Slack, and a connection of a bot to it."""
    directory = tmp_path / "slack"
    directory.mkdir()
    with server("127.0.0.1", 0, directory) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        connect(monkeypatch, running.server_port)
        yield running
        running.shutdown()
        thread.join()


def connect(monkeypatch: pytest.MonkeyPatch, port: int, **extra: str) -> None:
    extra = {"base_url": f"http://127.0.0.1:{port}/api/", "channel": "#shop", "timeout": "5", **extra}
    connection = {"conn_type": "slack", "password": TOKEN, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_API_DEFAULT", json.dumps(connection))


@pytest.fixture
def store(listening, tmp_path: Path) -> Store:
    return Store(tmp_path / "slack")


def shown(store: Store) -> list[str]:
    """The messages as people see them: their alerts, each in a line."""
    return [
        " / ".join(
            block["text"]["text"].splitlines()[0]
            for block in item["message"]["blocks"]
            if block["type"] == "section"
        )
        for item in store.messages()
    ]


def test_a_message_is_posted_and_named_by_channel_and_time(store):
    reference = Slack().send(compose("key-1", [alert()], LINK))
    [kept] = store.messages()
    assert reference == f"{kept['channel']}/{kept['ts']}"
    assert shown(store) == ["🔴 *Sold out: Mug (P1)*"]


def test_through_the_outbox_the_first_message_shows_how_its_alerts_stand(lake, stock, store):
    def look(number: int, **quantities: int) -> None:
        stock(quantities)
        evaluate(lake, f"run-{number}")
        deliver(lake, f"run-{number}", {"email": Mailbox(), "slack": Slack()}, LINK)

    look(1, Mug=0, Bowl=3)
    look(2, Mug=50, Bowl=3)
    assert shown(store) == ["🟠 *Low stock: Bowl (bowl)* / 🟢 *Back in stock: Mug (mug)*"]
    look(3, Mug=50, Bowl=0)
    assert shown(store) == [
        "🟠 *Low stock: Bowl (bowl)* / 🟢 *Back in stock: Mug (mug)*",
        "🔴 *Sold out: Bowl (bowl)*",
    ]
    look(4, Mug=50, Bowl=50)
    assert shown(store)[1] == "🟢 *Back in stock: Bowl (bowl)*"
    look(5, Mug=0, Bowl=50)
    assert shown(store)[2] == "🔴 *Sold out: Mug (mug)*"
    assert len(store.messages()) == 3


def test_what_is_over_is_posted_if_its_first_message_is_gone(store):
    over = alert(state=State.RESOLVED, thread="key-1", title="Back in stock")
    gone = ThreadRoot(compose("key-1", [over], LINK), "C00000000/1.0")
    assert Slack().send(compose("key-2", [over], LINK, firsts=[gone]))
    assert shown(store) == ["🟢 *Back in stock: Mug (P1)*"]


def test_a_token_that_is_refused_is_told_with_slacks_word_and_without_the_token(store, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    monkeypatch.setattr(
        "shopnow.local_stack.webhook_server.answer_bot", lambda *_: {"ok": False, "error": "invalid_auth"}
    )
    with pytest.raises(Refused, match=r"Slack answers to chat\.postMessage: invalid_auth") as caught:
        Slack().send(compose("key-1", [alert()], LINK))
    assert "very-secret" not in str(caught.value) + caplog.text


def test_a_busy_slack_is_tried_later(store, monkeypatch):
    monkeypatch.setattr(
        "shopnow.local_stack.webhook_server.answer_bot", lambda *_: {"ok": False, "error": "ratelimited"}
    )
    with pytest.raises(Unavailable, match="ratelimited"):
        Slack().send(compose("key-1", [alert()], LINK))


def test_a_bot_needs_a_channel(listening, monkeypatch):
    connect(monkeypatch, listening.server_port, channel="")
    with pytest.raises(Refused, match='connection slack_api_default needs "channel" in its extra'):
        Slack().send(compose("key-1", [alert()], LINK))


def test_a_slack_that_is_not_there_is_unavailable(monkeypatch):
    connect(monkeypatch, 9)
    with pytest.raises(Unavailable, match="cannot reach Slack by connection slack_api_default"):
        Slack().ready()


def test_an_update_that_failed_is_made_again_and_what_fires_is_posted_once(store, monkeypatch):
    first = ThreadRoot(
        compose("key-1", [alert(state=State.RESOLVED, thread="key-1")], LINK),
        str(Slack().send(compose("key-1", [alert()], LINK))),
    )
    message = compose("key-2", [alert("Bowl", subject="P2")], LINK, firsts=[first])
    answers = iter([{"ok": False, "error": "internal_error"}])

    def troubled(*request):
        return next(answers, None) or answer_bot(*request)

    monkeypatch.setattr("shopnow.local_stack.webhook_server.answer_bot", troubled)
    with pytest.raises(Unavailable):
        Slack().send(message)
    Slack().send(message)
    assert shown(store) == ["🟢 *Sold out: Mug (P1)*", "🔴 *Sold out: Bowl (P2)*"]
