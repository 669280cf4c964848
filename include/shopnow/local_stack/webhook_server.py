"""A Slack server for tests and local use: accepts webhooks and bots, and stores messages as lines of JSON.

    python -m shopnow.local_stack.webhook_server --port 1080 --directory .shopnow/slack

`POST /services/…` accepts a message, which is on disk (`messages.jsonl`) before the server answers "ok".
`POST /api/chat.postMessage` and `/api/chat.update` are those of Slack's Web API, for any token. `GET
/messages` returns the newest messages in their latest version, as a page or, with `Accept: application/json`,
as JSON.
"""

import argparse
import json
import os
import re
import threading
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from shopnow.errors import UserError
from shopnow.local_stack.test_server_cli import announce, run

MAX_BODY_BYTES = 1 << 20
_MAX_LENGTH_DIGITS = len(str(MAX_BODY_BYTES))
MAX_DEPTH = 100
"""Levels of arrays and objects in a message."""
MAX_FILE_BYTES = 4 << 20
"""Size from which a new file is begun; of the older ones, only the last is kept."""
MAX_MESSAGES_SHOWN = 100
"""Number of the newest messages that `GET /messages` returns."""


class MessageStore:
    """The newest received messages, one JSON object per line: "received_at", "message".

    A bot's also have "channel" and "ts"; a later line with the same two is an update.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "messages.jsonl"
        self.previous_path = directory / "messages.1.jsonl"
        self._lock = threading.Lock()

    def append(self, message: dict[str, Any], **identity: str) -> None:
        """Append a message durably; a bot's with its `channel` and `ts`."""
        row = {"received_at": datetime.now(UTC).isoformat(), "message": message, **identity}
        line = json.dumps(row).encode() + b"\n"
        with self._lock:
            if self.path.exists() and self.path.stat().st_size >= MAX_FILE_BYTES:
                self.path.replace(self.previous_path)
            with self.path.open("ab+") as file:
                if file.tell() and self._ends_torn(file):
                    line = b"\n" + line
                file.write(line)
                file.flush()
                os.fsync(file.fileno())

    def messages(self) -> list[dict[str, Any]]:
        """Return all messages in their latest version, oldest first; an updated one has `updated_at`."""
        messages: dict[Any, dict[str, Any]] = {}
        for number, row in enumerate(self._rows()):
            identity = (row["channel"], row["ts"]) if "ts" in row else number
            message = messages.setdefault(identity, row)
            if message is not row:
                message |= {"message": row["message"], "updated_at": row["received_at"]}
        return list(messages.values())

    def contains(self, channel: str, ts: str) -> bool:
        return any((row.get("channel"), row.get("ts")) == (channel, ts) for row in self._rows())

    def _rows(self) -> Iterator[dict[str, Any]]:
        """Yield the stored rows; skips a line torn by a crash, which was never acknowledged."""
        for path in (self.previous_path, self.path):
            if not path.exists():
                continue
            with path.open(encoding="utf-8") as file:
                for line in file:
                    try:
                        yield json.loads(line)
                    except ValueError:
                        continue

    @staticmethod
    def _ends_torn(file: Any) -> bool:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def parse_message(body: bytes, content_type: str) -> str | dict[str, Any]:
    """Return the message of a request body, or Slack's error code for what is wrong with it."""
    try:
        text = body.decode()
        if content_type.startswith("application/x-www-form-urlencoded"):
            text = parse_qs(text)["payload"][0]
        message = json.loads(text)
        json.dumps(message, ensure_ascii=False).encode()  # fails for lone surrogates, which no page can show
    except (ValueError, KeyError, RecursionError):
        return "invalid_payload"
    if not isinstance(message, dict) or _is_deep(message):
        return "invalid_payload"
    blocks = message.get("blocks", [])
    if not isinstance(blocks, list) or len(blocks) > 50 or not all(map(_is_block, blocks)):
        return "invalid_blocks"
    if not (message.get("text") or blocks or message.get("attachments")):
        return "no_text"
    return message


def _is_deep(message: dict[str, Any]) -> bool:
    """Return whether a message is nested too deeply to be read back, which depends on the caller's stack."""
    level: list[Any] = [message]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _is_block(block: Any) -> bool:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return False
    elements = block.get("elements", [])
    if not isinstance(elements, list) or not all(isinstance(element, dict) for element in elements):
        return False
    text = block.get("text")
    return not isinstance(text, dict) or (isinstance(text.get("text"), str) and len(text["text"]) <= 3000)


def channel_id(name: str) -> str:
    """Return the id of a channel: a bot posts by name or id, but updates by id."""
    if re.fullmatch(r"C[0-9A-F]{8}", name):
        return name
    return f"C{zlib.crc32(name.removeprefix('#').encode()):08X}"


def answer_web_api(
    store: MessageStore, method: str, body: bytes, content_type: str, authorization: str
) -> dict[str, Any]:
    """Return the response of Slack's Web API to a bot's request."""
    if not authorization.startswith("Bearer "):
        return {"ok": False, "error": "not_authed"}
    if method == "auth.test":
        return {"ok": True}
    if method not in {"chat.postMessage", "chat.update"}:
        return {"ok": False, "error": "unknown_method"}
    message = parse_message(body, content_type)
    if isinstance(message, str):
        return {"ok": False, "error": message}
    channel, ts = str(message.pop("channel", "")), str(message.pop("ts", ""))
    if not channel:
        return {"ok": False, "error": "channel_not_found"}
    if method == "chat.postMessage":
        channel, ts = channel_id(channel), f"{time.time_ns() // 1000 / 1e6:.6f}"
    elif not store.contains(channel, ts):
        return {"ok": False, "error": "message_not_found"}
    store.append(message, channel=channel, ts=ts)
    return {"ok": True, "channel": channel, "ts": ts}


class _Handler(BaseHTTPRequestHandler):
    server_version = "ShopNow-webhook-sink"
    timeout = 30
    store: MessageStore

    def do_POST(self) -> None:
        path = self.path.partition("?")[0]
        if not path.startswith(("/services/", "/api/")):
            return self._answer(404, "no_service")
        length = self.headers.get("Content-Length", "")
        # Python refuses to read numbers of thousands of digits, even if most of them are zeros.
        if not length.isdecimal() or len(length) > _MAX_LENGTH_DIGITS or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            return self._answer(400, "invalid_payload")
        body, content_type = self.rfile.read(int(length)), self.headers.get("Content-Type", "")
        try:
            if path.startswith("/api/"):
                method = path.removeprefix("/api/")
                response = answer_web_api(
                    self.store, method, body, content_type, self.headers.get("Authorization", "")
                )
                return self._answer(200, json.dumps(response), "application/json")
            message = parse_message(body, content_type)
            if isinstance(message, str):
                return self._answer(400, message)
            self.store.append(message)
        except OSError as error:
            return self._answer(500, f"cannot store the message: {error.strerror}")
        return self._answer(200, "ok")

    def do_GET(self) -> None:
        if self.path.partition("?")[0] not in {"/", "/messages"}:
            return self._answer(404, "not found; see /messages")
        messages = self.store.messages()[-MAX_MESSAGES_SHOWN:]
        if "application/json" in self.headers.get("Accept", ""):
            return self._answer(200, json.dumps({"messages": messages}), "application/json")
        return self._answer(200, render_page(messages), "text/html; charset=utf-8")

    def _answer(self, status: int, body: str, content_type: str = "text/plain; charset=utf-8") -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        # Without the path, which is the secret of a webhook.
        self.log_message("%s %s", self.command, code)


def render_page(messages: list[dict[str, Any]]) -> str:
    """Render the messages as HTML, newest first, with all texts escaped."""
    articles = "".join(
        f"<article><time>{escape(_timestamps(row))}</time>"
        f"<pre>{escape(plain_text(row['message']))}</pre></article>"
        for row in reversed(messages)
    )
    style = (
        "body{font:16px system-ui;max-width:50em;margin:2em auto}pre{white-space:pre-wrap;font:inherit}"
        "article{border-top:1px solid #ccc}"
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Slack messages</title>'
        f"<style>{style}</style>"
        f"<h1>Slack messages</h1>{articles or '<p>None yet.</p>'}</html>"
    )


def _timestamps(row: dict[str, Any]) -> str:
    received_at = row["received_at"]
    return f"{received_at}, updated {row['updated_at']}" if "updated_at" in row else received_at


def plain_text(message: dict[str, Any]) -> str:
    """Return the message's texts without Slack's markup."""
    texts: list[str] = []
    for block in message.get("blocks", []):
        for part in [block.get("text"), *(block.get("elements") or [])]:
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                texts.append(part["text"])
    text = "\n".join(texts) or str(message.get("text", ""))
    # Neither part may contain "<": otherwise the time grows with the square of their number.
    text = re.sub(r"<([^<|>]+)\|([^<>]+)>", r"\2 (\1)", text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def create_server(host: str, port: int, directory: Path) -> ThreadingHTTPServer:
    """Return a listening server that stores messages in the directory; call its `serve_forever`."""
    return ThreadingHTTPServer((host, port), type("Handler", (_Handler,), {"store": MessageStore(directory)}))


def serve(host: str, port: int, directory: Path) -> None:
    """Serve until interrupted.

    Raises:
        UserError: the port is in use.
    """
    try:
        webhook_server = create_server(host, port, directory)
    except OSError as error:
        raise UserError(
            f"webhook server: cannot listen on {host}:{port} ({error.strerror}); choose another port"
        ) from None
    with webhook_server:
        announce(host, webhook_server.server_port)
        webhook_server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m shopnow.local_stack.webhook_server",
        description="Accept every Slack message and store it as a line of JSON.",
    )
    run(parser, serve)
