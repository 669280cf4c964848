"""The local stand-in for Slack: what it takes, keeps and shows."""

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from shopnow.local_stack.webhook_server import (MessageStore, answer_web_api, channel_id, parse_message, render_page)


def test_a_message_is_taken_as_json_or_as_a_form():
    body = {"text": "hello"}
    assert parse_message(json.dumps(body).encode(), "application/json") == body
    form = urlencode({"payload": json.dumps(body)}).encode()
    assert parse_message(form, "application/x-www-form-urlencoded") == body


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "invalid_payload"),
        (b"hello", "invalid_payload"),
        (b"[1]", "invalid_payload"),
        (b'"text"', "invalid_payload"),
        (b"\xff{}", "invalid_payload"),
        (b"{}", "no_text"),
        (b'{"text": ""}', "no_text"),
        (b'{"blocks": []}', "no_text"),
        (b'{"blocks": 1}', "invalid_blocks"),
        (b'{"blocks": [{"text": "no type"}]}', "invalid_blocks"),
        (json.dumps({"blocks": [{"type": "divider"}] * 51}).encode(), "invalid_blocks"),
        (
            json.dumps({"blocks": [{"type": "section", "text": {"text": "x" * 3001}}]}).encode(),
            "invalid_blocks",
        ),
    ],
)
def test_what_slack_would_refuse_is_refused_in_its_words(body: bytes, problem: str):
    assert parse_message(body, "application/json") == problem


def test_what_was_kept_is_there_again(tmp_path: Path):
    MessageStore(tmp_path).keep({"text": "one"})
    MessageStore(tmp_path).keep({"text": "two\nlines"})
    assert [item["message"]["text"] for item in MessageStore(tmp_path).messages()] == ["one", "two\nlines"]


def test_a_line_torn_by_a_crash_harms_neither_the_one_before_nor_the_one_after(tmp_path: Path):
    store = MessageStore(tmp_path)
    store.keep({"text": "one"})
    with store.path.open("a") as file:
        file.write('{"received_at": "2026-')
    store.keep({"text": "two"})
    assert [item["message"]["text"] for item in store.messages()] == ["one", "two"]


def test_the_page_shows_markup_as_text():
    message = {
        "text": "x",
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": "&lt;script&gt; <http://a.example|here>"}}
        ],
    }
    shown = render_page([{"received_at": "<now>", "message": message}])
    assert "&lt;script&gt; here (http://a.example)" in shown
    assert "<script>" not in shown
    assert "&lt;now&gt;" in shown


def test_the_page_says_so_when_nothing_came():
    assert "None yet" in render_page([])


def bot(store: MessageStore, method: str, body: dict, authorization: str = "Bearer xoxb-1") -> dict:
    return answer_web_api(store, method, json.dumps(body).encode(), "application/json", authorization)


def test_a_bot_posts_by_name_and_updates_by_id(tmp_path: Path):
    store = MessageStore(tmp_path)
    posted = bot(store, "chat.postMessage", {"channel": "#shop", "text": "one"})
    assert posted == {"ok": True, "channel": channel_id("shop"), "ts": posted["ts"]}
    assert bot(store, "chat.update", {"channel": posted["channel"], "ts": posted["ts"], "text": "two"})["ok"]
    [kept] = store.messages()
    assert (kept["message"], kept["ts"]) == ({"text": "two"}, posted["ts"])
    assert f"updated {kept['updated_at']}" in render_page([kept])


def test_a_bot_is_refused_in_slacks_words(tmp_path: Path):
    store = MessageStore(tmp_path)
    assert bot(store, "chat.postMessage", {"channel": "#shop", "text": "one"}, "")["error"] == "not_authed"
    assert bot(store, "chat.postMessage", {"text": "one"})["error"] == "channel_not_found"
    assert bot(store, "chat.postMessage", {"channel": "#shop"})["error"] == "no_text"
    assert (
        bot(store, "chat.update", {"channel": "#shop", "ts": "1.0", "text": "one"})["error"]
        == "message_not_found"
    )
    assert bot(store, "chat.delete", {})["error"] == "unknown_method"
    assert store.messages() == []
