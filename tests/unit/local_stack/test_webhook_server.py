"""The local Slack server: which messages it accepts, stores and returns."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

import pytest

from shopnow.local_stack import webhook_server
from shopnow.local_stack.webhook_server import (
    MessageStore,
    answer_web_api,
    channel_id,
    create_server,
    parse_message,
    render_page,
)
from support import raw_http


def test_message_is_accepted_as_json_or_form():
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
        (b"[" * 100_000, "invalid_payload"),
        # Read, but too deep to be read again with a few frames more on the stack.
        (b'{"text": "x", "a": ' + b"[" * 900 + b"]" * 900 + b"}", "invalid_payload"),
        (b'{"text": "x", "a": ' + b'{"a": ' * 99 + b"[]" + b"}" * 100, "invalid_payload"),
        (b'{"text": "\\ud800"}', "invalid_payload"),
        (b'{"blocks": [{"type": ["x"]}]}', "invalid_blocks"),
        (b'{"blocks": [{"type": "x", "text": {"text": 7}}]}', "invalid_blocks"),
        (b'{"blocks": [{"type": "x", "elements": 7}]}', "invalid_blocks"),
        (b'{"blocks": [{"type": "x", "elements": ["y"]}]}', "invalid_blocks"),
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
def test_invalid_message_gets_slacks_error_code(body: bytes, problem: str):
    assert parse_message(body, "application/json") == problem


def test_messages_survive_a_restart(tmp_path: Path):
    MessageStore(tmp_path).append({"text": "one"})
    MessageStore(tmp_path).append({"text": "two\nlines"})
    assert [row["message"]["text"] for row in MessageStore(tmp_path).messages()] == ["one", "two\nlines"]


def test_torn_line_does_not_affect_its_neighbours(tmp_path: Path):
    store = MessageStore(tmp_path)
    store.append({"text": "one"})
    with store.path.open("a") as file:
        file.write('{"received_at": "2026-')
    store.append({"text": "two"})
    assert [row["message"]["text"] for row in store.messages()] == ["one", "two"]


def test_page_escapes_markup():
    message = {
        "text": "x",
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": "&lt;script&gt; <http://a.example|here>"}}
        ],
    }
    html = render_page([{"received_at": "<now>", "message": message}])
    assert "&lt;script&gt; here (http://a.example)" in html
    assert "<script>" not in html
    assert "&lt;now&gt;" in html


@pytest.mark.parametrize("part", ["<", "<a|", "<|", "<a", "<a|b", ">", "|", "&lt;"])
def test_page_of_a_hostile_text_takes_no_time(part: str):
    start = time.monotonic()
    render_page([{"received_at": "now", "message": {"text": part * (60_000 // len(part))}}])
    assert time.monotonic() - start < 5


def test_page_without_messages_says_so():
    assert "None yet" in render_page([])


def bot(store: MessageStore, method: str, body: dict, authorization: str = "Bearer xoxb-1") -> dict:
    return answer_web_api(store, method, json.dumps(body).encode(), "application/json", authorization)


def test_bot_posts_by_name_and_updates_by_id(tmp_path: Path):
    store = MessageStore(tmp_path)
    posted = bot(store, "chat.postMessage", {"channel": "#shop", "text": "one"})
    assert posted == {"ok": True, "channel": channel_id("shop"), "ts": posted["ts"]}
    assert bot(store, "chat.update", {"channel": posted["channel"], "ts": posted["ts"], "text": "two"})["ok"]
    [message] = store.messages()
    assert (message["message"], message["ts"]) == ({"text": "two"}, posted["ts"])
    assert f"updated {message['updated_at']}" in render_page([message])


def test_invalid_bot_request_gets_slacks_error_code(tmp_path: Path):
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


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with create_server("127.0.0.1", 0, tmp_path) as server:
        Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        (b"GET http://[::1 HTTP/1.1", 404),
        (b"POST http://[::1 HTTP/1.1", 404),
        *(
            (b"POST /services/x HTTP/1.1\r\nContent-Length: " + length, 400)
            for length in (b"", b"-1", b"\xb2", b"9" * 5000, b"0" * 5000)
        ),
    ],
)
def test_hostile_request_is_answered(port: int, request_line: bytes, expected: int):
    assert raw_http.status(raw_http.exchange(port, request_line + b"\r\n\r\n")) == expected


def test_the_oldest_messages_are_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(webhook_server, "MAX_FILE_BYTES", 300)
    store = MessageStore(tmp_path)
    for number in range(50):
        store.append({"text": f"message {number}"})
    texts = [row["message"]["text"] for row in store.messages()]
    assert texts == [f"message {number}" for number in range(50 - len(texts), 50)]
    assert 3 < len(texts) < 10
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 1000
