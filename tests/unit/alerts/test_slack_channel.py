"""Slack by a bot: the first message about an alert is updated, only firing alerts are posted."""

import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from factories.alert_factory import alert
from shopnow.alerts.channels import Slack
from shopnow.alerts.dispatcher import deliver
from shopnow.alerts.evaluate import evaluate
from shopnow.alerts.message import Background, Message, ThreadRoot, compose
from shopnow.alerts.model import State
from shopnow.local_stack.webhook_server import MessageStore, answer_web_api, create_server
from shopnow.notifications.delivery_errors import Refused, Unavailable

TOKEN = "xoxb-very-secret"  # noqa: S105
BACKGROUND = Background("http://airflow.example")


class Mailbox:
    """A mail channel that accepts everything."""

    def ready(self) -> None: ...

    def send(self, message: Message) -> None: ...


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """Run the local Slack server with a bot connection to it."""
    directory = tmp_path / "slack"
    directory.mkdir()
    with create_server("127.0.0.1", 0, directory) as running:
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
def store(listening, tmp_path: Path) -> MessageStore:
    return MessageStore(tmp_path / "slack")


def shown(store: MessageStore) -> list[str]:
    """Return the messages as people see them: the headlines of their alerts."""
    return [
        " / ".join(
            block["text"]["text"].splitlines()[0]
            for block in item["message"]["blocks"]
            if block["type"] == "section"
        )
        for item in store.messages()
    ]


def test_a_posted_message_is_identified_by_channel_and_timestamp(store):
    reference = Slack().send(compose("key-1", [alert()], BACKGROUND))
    [item] = store.messages()
    assert reference == f"{item['channel']}/{item['ts']}"
    assert shown(store) == ["🔴 *Sold out: Mug (P1)*"]


def test_through_the_outbox_the_first_message_shows_the_latest_state_of_its_alerts(lake, stock, store):
    def run(number: int, **quantities: int) -> None:
        stock(quantities)
        evaluate(lake, f"run-{number}")
        deliver(lake, f"run-{number}", {"email": Mailbox(), "slack": Slack()}, BACKGROUND.link)

    run(1, Mug=0, Bowl=3)
    run(2, Mug=50, Bowl=3)
    assert shown(store) == ["🟠 *Low stock: Bowl (bowl)* / 🟢 *Back in stock: Mug (mug)*"]
    run(3, Mug=50, Bowl=0)
    assert shown(store) == [
        "🟠 *Low stock: Bowl (bowl)* / 🟢 *Back in stock: Mug (mug)*",
        "🔴 *Sold out: Bowl (bowl)*",
    ]
    run(4, Mug=50, Bowl=50)
    assert shown(store)[1] == "🟢 *Back in stock: Bowl (bowl)*"
    run(5, Mug=0, Bowl=50)
    assert shown(store)[2] == "🔴 *Sold out: Mug (mug)*"
    assert len(store.messages()) == 3


def test_a_resolved_alert_is_posted_if_its_first_message_is_gone(store):
    resolved = alert(state=State.RESOLVED, thread="key-1", title="Back in stock")
    gone = ThreadRoot(compose("key-1", [resolved], BACKGROUND), "C00000000/1.0")
    assert Slack().send(compose("key-2", [resolved], BACKGROUND, thread_roots=[gone]))
    assert shown(store) == ["🟢 *Back in stock: Mug (P1)*"]


def test_a_rejected_token_is_reported_with_slacks_error_and_without_the_token(store, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    monkeypatch.setattr(
        "shopnow.local_stack.webhook_server.answer_web_api", lambda *_: {"ok": False, "error": "invalid_auth"}
    )
    with pytest.raises(Refused, match=r"Slack answers to chat\.postMessage: invalid_auth") as caught:
        Slack().send(compose("key-1", [alert()], BACKGROUND))
    assert "very-secret" not in str(caught.value) + caplog.text


def test_a_rate_limited_slack_is_unavailable(store, monkeypatch):
    monkeypatch.setattr(
        "shopnow.local_stack.webhook_server.answer_web_api", lambda *_: {"ok": False, "error": "ratelimited"}
    )
    with pytest.raises(Unavailable, match="ratelimited"):
        Slack().send(compose("key-1", [alert()], BACKGROUND))


def test_a_bot_needs_a_channel(listening, monkeypatch):
    connect(monkeypatch, listening.server_port, channel="")
    with pytest.raises(Refused, match='connection slack_api_default needs "channel" in its extra'):
        Slack().send(compose("key-1", [alert()], BACKGROUND))


def test_an_unreachable_slack_is_unavailable(monkeypatch):
    connect(monkeypatch, 9)
    with pytest.raises(Unavailable, match="cannot reach Slack by connection slack_api_default"):
        Slack().ready()


def test_a_failed_update_is_repeated_and_a_firing_alert_is_posted_once(store, monkeypatch):
    first = ThreadRoot(
        compose("key-1", [alert(state=State.RESOLVED, thread="key-1")], BACKGROUND),
        str(Slack().send(compose("key-1", [alert()], BACKGROUND))),
    )
    message = compose("key-2", [alert("Bowl", subject="P2")], BACKGROUND, thread_roots=[first])
    answers = iter([{"ok": False, "error": "internal_error"}])

    def failing_once(*request):
        return next(answers, None) or answer_web_api(*request)

    monkeypatch.setattr("shopnow.local_stack.webhook_server.answer_web_api", failing_once)
    with pytest.raises(Unavailable):
        Slack().send(message)
    Slack().send(message)
    assert shown(store) == ["🟢 *Sold out: Mug (P1)*", "🔴 *Sold out: Bowl (P2)*"]
