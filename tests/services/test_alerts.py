"""Stock alerts through real mail and webhook servers, Airflow's hooks and a lake on HDFS, with faults."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from shopnow.alerts import alert_log, channels, dispatcher, outbox
from shopnow.alerts.dispatcher import Undelivered, deliver, sent_totals
from shopnow.alerts.evaluate import STOCK, evaluate
from shopnow.alerts.proposals import MAX_OPEN, read_proposals
from shopnow.cli.__main__ import app
from shopnow.cli.inbox import messages
from shopnow.lake.delta.tables import Table
from shopnow.local_stack.webhook_server import MessageStore
from shopnow.restock.proposals import run_id
from support.local_servers import Inbox, run_server

URL = "http://airflow.example"
HOSTILE = "Mug <b>& co</b>\r\nBcc: all@example.org"
LAST = {"last_event_time": datetime(2026, 7, 1, tzinfo=UTC), "last_offset": 0}


def stock(lake: str, quantities: dict[str, int]) -> None:
    rows = [
        {"product_id": f"P{number}", "product_name": name, "quantity": quantity, **LAST}
        for number, (name, quantity) in enumerate(quantities.items())
    ]
    write_deltalake(Table(lake, STOCK).uri, pa.Table.from_pylist(rows), mode="overwrite")


def send(lake: str, owner: str = "run-1", retry_seconds: float = 30) -> list[str]:
    """Deliver with the real channels and return the channels that were sent a message."""
    return [
        delivery["channel"]
        for delivery in deliver(lake, owner, channels.default(), URL, timedelta(seconds=retry_seconds))
    ]


def test_one_mail_and_one_slack_message_include_all_alerts(
    lake: str, inbox: Inbox, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG")
    stock(lake, {HOSTILE: 0, "Bowl": 3, "Plate": 50})
    key = evaluate(lake, "run-1")["dedup_key"]
    assert sorted(send(lake)) == ["email", "slack"]

    [mail] = inbox.mails()
    assert (mail["From"], mail["To"], mail["Bcc"]) == ("shopnow@localhost", "operations@localhost", None)
    assert mail["Message-ID"] == f"<{key}@localhost>"
    assert mail["Subject"] == "[ShopNow+] Sold out: 1 product, Low stock: 1 product"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "Sold out: Mug <b>& co</b> Bcc: all@example.org (P0)" in text.get_content()
    assert "Sold out: Mug &lt;b&gt;&amp; co&lt;/b&gt; Bcc: all@example.org (P0)" in html.get_content()
    assert f'href="{URL}/plugin/shopnow#/stock"' in html.get_content()

    [body] = inbox.slack()
    assert (
        "*Sold out: Mug &lt;b&gt;&amp; co&lt;/b&gt; Bcc: all@example.org (P0)*"
        in body["blocks"][0]["text"]["text"]
    )
    assert inbox.keys() == {"email": Counter([key]), "slack": Counter([key])}

    evaluate(lake, "run-2")
    assert send(lake, "run-2") == []
    stock(lake, {HOSTILE: 50, "Bowl": 3, "Plate": 50})
    evaluate(lake, "run-3")
    send(lake, "run-3")
    resolved = inbox.mails()[1]
    assert resolved["Subject"] == "[ShopNow+] Back in stock: Mug <b>& co</b> Bcc: all@example.org"
    assert resolved["In-Reply-To"] == resolved["References"] == mail["Message-ID"] != resolved["Message-ID"]
    assert sent_totals(lake) == [
        {"channel": "email", "messages": 2, "alerts": 3},
        {"channel": "slack", "messages": 2, "alerts": 3},
    ]
    logs = caplog.text + "".join(path.read_text() for path in inbox.mail_directory.parent.glob("*.log"))
    assert "very-secret" not in logs


def test_a_bot_updates_the_first_message_and_does_not_leak_its_token(
    local_lake: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG")
    webhook = json.loads(os.environ["AIRFLOW_CONN_SLACK_DEFAULT"])
    extra = {"base_url": webhook["host"].replace("/services", "/api/"), "channel": "#shop", "timeout": 5}
    bot = {"conn_type": "slack", "password": "xoxb-very-secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_API_DEFAULT", json.dumps(bot))
    stock(local_lake, {"Mug": 0, "Bowl": 3})
    evaluate(local_lake, "run-1")
    send(local_lake)
    stock(local_lake, {"Mug": 50, "Bowl": 3})
    evaluate(local_lake, "run-2")
    assert sorted(send(local_lake, "run-2")) == ["email", "slack"]
    [stored] = MessageStore(inbox.slack_directory).messages()
    texts = [
        block["text"]["text"].splitlines()[0]
        for block in stored["message"]["blocks"]
        if block["type"] == "section"
    ]
    assert texts == ["🟠 *Low stock: Bowl (P1)*", "🟢 *Back in stock: Mug (P0)*"]
    rows = alert_log.read_rows(alert_log.open_table(local_lake), "alert", "message")
    assert f"{stored['channel']}/{stored['ts']}" in {row["reference"] for row in rows}
    received = messages(inbox.mail_directory, inbox.slack_directory, limit=10)
    assert [message["channel"] for message in received].count("email") == 2
    assert [message["updated_at"] for message in received if message["channel"] == "slack"] == [
        stored["updated_at"]
    ]
    logs = "".join(path.read_text() for path in inbox.mail_directory.parent.glob("*.log"))
    assert "very-secret" not in f"{rows}{received}{caplog.text}{logs}"


def test_an_undeliverable_message_is_dead_and_shown_by_the_command_line(
    local_lake: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outbox, "MAX_FAILED_RUNS", 2)
    stock(local_lake, {"Mug": 0})
    key = evaluate(local_lake, "run-1")["dedup_key"]
    with failing_slack(*[Answer(403)] * 2) as (port, accepted):
        monkeypatch.setenv(
            "AIRFLOW_CONN_SLACK_DEFAULT", inbox.connections(0, port)["AIRFLOW_CONN_SLACK_DEFAULT"]
        )
        for _ in range(2):
            with pytest.raises(Undelivered, match=r"slack: .*Slack answers 403"):
                send(local_lake)
        assert send(local_lake) == []
    assert accepted == []
    [message] = shopnow(local_lake, "alerts")["messages"]
    assert (message["channel"], message["state"], message["dedup_key"], message["attempts"]) == (
        "slack",
        "dead",
        key,
        2,
    )


def shopnow(lake: str, *words: str) -> dict:
    """Run the command on this lake and return its JSON output."""
    extra = {"lake": lake}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(
            "AIRFLOW_CONN_WEBHDFS_DEFAULT",
            json.dumps({"conn_type": "webhdfs", "host": "127.0.0.1", "extra": extra}),
        )
        result = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_acknowledged_and_silenced_from_the_command_line(local_lake: str, inbox: Inbox):
    stock(local_lake, {"Mug": 0, "Bowl": 3})
    evaluate(local_lake, "run-1")
    send(local_lake)
    shopnow(local_lake, "alerts", "ack", "stock_out:P0", "--why", "ordered <b>")
    shopnow(local_lake, "alerts", "silence", "low_stock", "--for", "1d", "--why", "stocktaking")
    stock(local_lake, {"Mug": 0, "Bowl": 3, "Cup": 2})
    evaluate(local_lake, "run-2", datetime.now(UTC) + timedelta(hours=20))
    assert send(local_lake, "run-2") == []
    shown = shopnow(local_lake, "alerts", "--all")
    assert {
        alert["fingerprint"]: (alert["state"], alert["reason"], bool(alert["silenced_until"]))
        for alert in shown["alerts"]
    } == {
        "stock_out:P0": ("acknowledged", "ordered <b>", False),
        "low_stock:P1": ("firing", None, True),
        "low_stock:P2": ("firing", None, True),
    }
    assert [(silence["target"], silence["why"]) for silence in shown["silences"]] == [
        ("low_stock", "stocktaking")
    ]
    assert [change["state"] for change in shown["history"]].count("acknowledged") == 1
    evaluate(local_lake, "run-3", datetime.now(UTC) + timedelta(days=2))
    send(local_lake, "run-3")
    assert inbox.mails()[-1]["Subject"] == "[ShopNow+] Low stock: Cup"


# Forking before any client exists is safe, and saves importing Airflow for each run.
RUNS = """
import json, os, signal, sys, traceback
from datetime import timedelta

import airflow.providers.slack.hooks.slack_webhook, airflow.providers.smtp.hooks.smtp
from pathlib import Path
from shopnow import airflow_internals
from shopnow.alerts import channels, dispatcher
from shopnow.alerts.evaluate import evaluate
from shopnow.restock import backlog

def simulate_airflow(folder):
    # A run is a file; each of them waits for a person.
    airflow_internals.trigger_run_from_task = lambda dag_id, run_id, conf: (folder / run_id).touch()
    airflow_internals.task_states_from_task = lambda dag_id, task_id, run_ids: {
        run_id: "awaiting_input" for run_id in run_ids if (folder / run_id).exists()
    }

def run(lake, owner, failpoint, proposals):
    signal.alarm(60)  # a run that hangs is killed
    os.dup2(2, 1)  # logs go to stdout
    if failpoint:
        os.environ["SHOPNOW_KILL_AT"] = failpoint
    try:
        evaluation = evaluate(lake, owner)
        dispatcher.deliver(lake, owner, channels.default(), "http://airflow.example", timedelta(seconds=30))
        if proposals:
            simulate_airflow(Path(proposals))
            backlog.advance(lake, evaluation["on_hand"])
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)

for line in sys.stdin:
    children = [os.fork() or run(*arguments) for arguments in json.loads(line)]
    print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], flush=True)
"""


class Run(NamedTuple):
    """A run of watch_stock in its own process."""

    lake: str
    owner: str
    failpoint: str | None = None
    proposals: str | None = None
    """Folder of the runs that are the open proposals; without it, none is opened."""


@pytest.fixture(scope="module")
def run_concurrently(mail_and_slack: tuple[Inbox, dict[str, str]]) -> Iterator[Callable[..., list[int]]]:
    """Return a function that runs watch_stock in one process each and returns the exit codes."""
    _, connections = mail_and_slack
    with subprocess.Popen(
        [sys.executable, "-c", RUNS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **connections},
    ) as process:
        assert process.stdin
        assert process.stdout

        def run(*runs: Run) -> list[int]:
            print(json.dumps(runs), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


@pytest.mark.parametrize("point", ["alerts:queued", "alerts:sending", "alerts:sent", "alerts:marked"])
def test_a_killed_run_sends_everything_on_retry_and_repeats_at_most_once(
    lake: str, inbox: Inbox, run_concurrently: Callable[..., list[int]], point: str
):
    stock(lake, {"Mug": 0, "Bowl": 3})
    assert run_concurrently(Run(lake, "run-1", point)) == [-signal.SIGKILL]
    evaluate(lake, "run-1")
    send(lake)
    for counts in inbox.keys().values():
        assert len(counts) == 1
        assert set(counts.values()) <= {1, 2}
    assert [totals["messages"] for totals in sent_totals(lake)] == [1, 1]


@pytest.mark.parametrize("point", ["alerts:queued", "proposals:committed", "proposals:started:2"])
def test_a_killed_run_loses_no_proposal_and_opens_each_once(
    lake: str, inbox: Inbox, run_concurrently: Callable[..., list[int]], tmp_path: Path, point: str
):
    stock(lake, {f"Mug {number}": 0 for number in range(MAX_OPEN + 2)})
    folder = tmp_path / "runs"
    folder.mkdir()
    killed = Run(lake, "run-1", point, str(folder))
    assert run_concurrently(killed) == [-signal.SIGKILL]
    others = [killed._replace(owner=owner, failpoint=None) for owner in ("run-1", "run-2")]
    assert run_concurrently(*others) == [0, 0]
    proposals = read_proposals(alert_log.read_rows(alert_log.open_table(lake), "alert", "proposal"))
    assert Counter(proposal.state for proposal in proposals) == {"open": MAX_OPEN, "waiting": 2}
    opened = {
        run_id(proposal.fingerprint, proposal.dedup_key) for proposal in proposals if proposal.state == "open"
    }
    assert {run.name for run in folder.iterdir()} == opened


def test_the_mail_and_the_command_line_say_how_many_proposals_wait(local_lake: str, inbox: Inbox):
    stock(local_lake, {f"Mug {number}": 0 for number in range(MAX_OPEN + 7)})
    evaluate(local_lake, "run-1")
    send(local_lake)
    line = "Restock proposals that wait until others are answered: 7, most money at risk first"
    [mail] = inbox.mails()
    assert line in mail.get_body(("plain",)).get_content()
    assert line in mail.get_body(("html",)).get_content()
    assert line in json.dumps(inbox.slack())
    assert {alert["restock"] for alert in shopnow(local_lake, "alerts")["alerts"]} == {"waiting"}


def test_concurrent_runs_send_one_message(
    lake: str, inbox: Inbox, run_concurrently: Callable[..., list[int]]
):
    stock(lake, {"Mug": 0, "Bowl": 3})
    assert run_concurrently(Run(lake, "run-1"), Run(lake, "run-2")) == [0, 0]
    assert [sorted(counts.values()) for counts in inbox.keys().values()] == [[1], [1]]


def test_an_unreachable_mail_server_loses_nothing_and_does_not_delay_slack(
    local_lake: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
):
    stock(local_lake, {"Mug": 0})
    evaluate(local_lake, "run-1")
    with run_server("mail_server", inbox.mail_directory) as (port, server):
        server.kill()
        server.wait()
        connections = inbox.connections(port, 0)
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", connections["AIRFLOW_CONN_SMTP_DEFAULT"])
        with pytest.raises(Undelivered, match="email: cannot reach the mail server"):
            send(local_lake, retry_seconds=1)
        assert [len(counts) for counts in inbox.keys().values()] == [0, 1]
        with run_server("mail_server", inbox.mail_directory, port):
            assert send(local_lake) == ["email"]
    assert [list(counts.values()) for counts in inbox.keys().values()] == [[1], [1]]


def test_a_hanging_slack_gets_the_message_at_most_twice(
    local_lake: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
):
    stock(local_lake, {"Mug": 0})
    evaluate(local_lake, "run-1")
    with run_server("webhook_server", inbox.slack_directory) as (port, server):
        connection = json.loads(inbox.connections(0, port)["AIRFLOW_CONN_SLACK_DEFAULT"])
        hanging = connection | {"extra": {"timeout": 1}}
        monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(hanging))
        server.send_signal(signal.SIGSTOP)
        with pytest.raises(Undelivered, match="slack: no answer from Slack"):
            send(local_lake, retry_seconds=2.5)
        server.send_signal(signal.SIGCONT)
        monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(connection))
        send(local_lake)
    [(_, count)] = inbox.keys()["slack"].items()
    assert count == 2


class Answer(NamedTuple):
    """Answer of the fake Slack to a message; with `status` None it closes the connection instead."""

    status: int | None
    accepts: bool = False
    retry_after: str | None = None


@contextmanager
def failing_slack(*answers: Answer) -> Iterator[tuple[int, list[str]]]:
    """Run a fake Slack that gives these answers, then accepts messages; yields port and accepted texts."""
    remaining, accepted = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            empty = Answer(400)
            answer = empty if not body else remaining.pop(0) if remaining else Answer(200, accepts=True)
            if answer.accepts:
                accepted.append(body["text"])
            if answer.status is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            if answer.retry_after:
                self.send_header("Retry-After", answer.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_port, accepted
        finally:
            server.shutdown()
            thread.join()


CLOSED_AFTER_ACCEPT = Answer(None, accepts=True)
OUTAGE = [Answer(500), Answer(429, retry_after="1"), Answer(503)]


@pytest.mark.parametrize(
    ("answers", "arrivals", "retry_after"),
    [
        (OUTAGE, 1, [0, 1, 0]),
        ([CLOSED_AFTER_ACCEPT, *OUTAGE], 2, [0, 1, 0]),
        ([CLOSED_AFTER_ACCEPT] * 5, 2, []),
    ],
)
def test_a_failing_slack_gets_every_message_and_at_most_one_repeat(
    local_lake: str,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[Answer],
    arrivals: int,
    retry_after: list[float],
):
    waits = []

    def backoff_seconds(attempt: int, retry_after: float) -> float:
        waits.append(retry_after)
        return 0.05

    monkeypatch.setattr(dispatcher, "backoff_seconds", backoff_seconds)
    stock(local_lake, {"Mug": 0})
    evaluate(local_lake, "run-1")
    with failing_slack(*answers) as (port, accepted):
        monkeypatch.setenv(
            "AIRFLOW_CONN_SLACK_DEFAULT", inbox.connections(0, port)["AIRFLOW_CONN_SLACK_DEFAULT"]
        )
        send(local_lake)
        send(local_lake, "run-2")
    assert accepted == ["[ShopNow+] Sold out: Mug"] * arrivals
    assert waits == retry_after
    assert list(inbox.keys()["email"].values()) == [1]


def test_a_rejected_token_is_reported_with_slacks_answer_and_without_the_token(
    local_lake: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
):
    stock(local_lake, {"Mug": 0})
    evaluate(local_lake, "run-1")
    with failing_slack(Answer(403)) as (port, _):
        monkeypatch.setenv(
            "AIRFLOW_CONN_SLACK_DEFAULT", inbox.connections(0, port)["AIRFLOW_CONN_SLACK_DEFAULT"]
        )
        with pytest.raises(Undelivered, match="slack: Slack answers 403") as caught:
            send(local_lake)
    assert "very-secret" not in str(caught.value)


def test_no_proxy_is_respected(local_lake: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    stock(local_lake, {"Mug": 0})
    evaluate(local_lake, "run-1")
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert sorted(send(local_lake)) == ["email", "slack"]


def test_a_missing_connection_is_named(local_lake: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    stock(local_lake, {"Mug": 0})
    evaluate(local_lake, "run-1")
    monkeypatch.delenv("AIRFLOW_CONN_SLACK_DEFAULT")
    with pytest.raises(Undelivered, match="slack: connection slack_default is missing"):
        send(local_lake)


@pytest.mark.parametrize("module", ["mail_server", "webhook_server"])
def test_a_server_reports_a_used_port_in_one_line(tmp_path: Path, module: str):
    with run_server(module, tmp_path / "one") as (port, _):
        command = [
            sys.executable,
            "-m",
            f"shopnow.local_stack.{module}",
            "--port",
            str(port),
            "--directory",
            str(tmp_path / "two"),
        ]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in second.stderr
    assert second.stderr.count("\n") == 1


def test_the_webhook_server_answers_like_slack(tmp_path: Path):
    with run_server("webhook_server", tmp_path / "slack") as (port, _):

        def post(path: str, body: bytes) -> tuple[int, str]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()

        assert post("/services/T/B/secret", b'{"text": "hi"}') == (200, "ok")
        assert post("/services/T/B/secret", b"hi") == (400, "invalid_payload")
        assert post("/services/T/B/secret", b"{}") == (400, "no_text")
        assert post("/elsewhere", b"{}") == (404, "no_service")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/messages", headers={"Accept": "application/json"})
        stored = json.loads(connection.getresponse().read())["messages"]
    assert [item["message"] for item in stored] == [{"text": "hi"}]
    assert "secret" not in (tmp_path / "webhook_server.log").read_text()
