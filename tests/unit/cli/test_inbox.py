"""What arrived at the local mail and Slack servers."""

import json
from email.message import EmailMessage
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shopnow.cli.__main__ import app
from shopnow.cli.inbox import messages
from shopnow.local_stack.webhook_server import MessageStore


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("smtp", "slack"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SHOPNOW_DATA_DIR", str(tmp_path))
    return tmp_path


def mail(data: Path, minute: int, subject: str) -> None:
    mail = EmailMessage()
    at = f"2026-07-01T12:{minute:02}:00+00:00"
    mail["X-Received-At"], mail["X-RcptTo"], mail["Subject"], mail["X-ShopNow-Dedup-Key"] = (
        at,
        "ops@localhost",
        subject,
        f"key-{minute}",
    )
    mail.set_content("Sold out: \x1b[2JMug")
    (data / "smtp" / f"20260701T12{minute:02}00.eml").write_bytes(mail.as_bytes())


def test_the_newest_comes_first_and_each_says_which_alert_it_is_of(data):
    mail(data, 1, "one")
    mail(data, 2, "two")
    context = {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": "<http://a.example|Open> · ShopNow+ alert key-9"}],
    }
    MessageStore(data / "slack").append({"text": "A &lt;b&gt;", "blocks": [context]}, channel="C1", ts="1.0")
    received = messages(data / "smtp", data / "slack", 10)
    assert [(message["channel"], message["subject"], message["dedup_key"]) for message in received] == [
        ("slack", "A <b>", "key-9"),
        ("email", "two", "key-2"),
        ("email", "one", "key-1"),
    ]
    assert messages(data / "smtp", data / "slack", 1) == received[:1]


def test_an_empty_inbox_is_empty(tmp_path):
    assert messages(tmp_path / "smtp", tmp_path / "slack", 10) == []


def test_as_json_and_as_a_table(data):
    subject = "[ShopNow+] Sold out: [bold]Mug[/bold]"
    mail(data, 1, subject)
    assert (
        json.loads(CliRunner().invoke(app, ["inbox", "--json"]).stdout)["messages"][0]["subject"] == subject
    )
    assert subject in CliRunner().invoke(app, ["inbox"]).stdout
    shown = CliRunner().invoke(app, ["inbox", "--texts"]).stdout
    assert r"Sold out: \x1b[2JMug" in shown
    assert "\x1b[2J" not in shown
