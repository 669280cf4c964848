"""The local stand-in for Slack: answers incoming webhooks and bots as Slack does and keeps every message as a line of JSON.

    python -m shopnow.local_stack.webhook_server --port 1080 --directory .shopnow/slack

`POST /services/…` takes a message; it is on disk (`messages.jsonl`) before the sender hears "ok". `POST /api/chat.postMessage`
and `/api/chat.update` are those of Slack's Web API, for any token. `GET /messages` shows the newest ones, each as it was last
updated, as a page, or as JSON to whoever accepts that.
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
from urllib.parse import parse_qs, urlsplit

from shopnow.errors import UserError
from shopnow.local_stack.test_server_cli import announce, run

MAX_BODY_BYTES = 1 << 20
"""Bytes in the largest message taken."""
MAX_MESSAGES_SHOWN = 100
"""How many of the newest messages `GET /messages` shows."""


class MessageStore:
    """The messages that came, one JSON object a line: {"received_at", "message"}, and of a bot's "channel" and "ts".

    A later line of the same channel and ts is an update.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "messages.jsonl"
        self._lock = threading.Lock()

    def keep(self, message: dict[str, Any], **place: str) -> None:
        """Append the message, durably; a bot's with its `channel` and `ts`."""
        line = (
            json.dumps({"received_at": datetime.now(UTC).isoformat(), "message": message, **place}).encode()
            + b"\n"
        )
        with self._lock, self.path.open("ab+") as file:
            if file.tell() and self._torn(file):
                line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def messages(self) -> list[dict[str, Any]]:
        """Every message kept, oldest first, as it was last updated, if it was at `updated_at`."""
        found: dict[Any, dict[str, Any]] = {}
        for number, line in enumerate(self._lines()):
            place = (line["channel"], line["ts"]) if "ts" in line else number
            first = found.setdefault(place, line)
            if first is not line:
                first |= {"message": line["message"], "updated_at": line["received_at"]}
        return list(found.values())

    def holds(self, channel: str, ts: str) -> bool:
        return any((line.get("channel"), line.get("ts")) == (channel, ts) for line in self._lines())

    def _lines(self) -> Iterator[dict[str, Any]]:
        """A line torn by a crash was never acknowledged and is skipped."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    @staticmethod
    def _torn(file: Any) -> bool:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def parse_message(body: bytes, content_type: str) -> str | dict[str, Any]:
    """The message in the request's body, or Slack's word for what is wrong with it."""
    try:
        text = body.decode()
        if content_type.startswith("application/x-www-form-urlencoded"):
            text = parse_qs(text)["payload"][0]
        message = json.loads(text)
    except (ValueError, KeyError):
        return "invalid_payload"
    if not isinstance(message, dict):
        return "invalid_payload"
    blocks = message.get("blocks", [])
    if (
        not isinstance(blocks, list)
        or len(blocks) > 50
        or any(not isinstance(block, dict) or "type" not in block for block in blocks)
    ):
        return "invalid_blocks"
    if any(
        len(block["text"].get("text", "")) > 3000 for block in blocks if isinstance(block.get("text"), dict)
    ):
        return "invalid_blocks"
    if not (message.get("text") or blocks or message.get("attachments")):
        return "no_text"
    return message


def channel_id(name: str) -> str:
    """The id that Slack gives a channel; a bot may post by name, but updates by id."""
    return (
        name if re.fullmatch(r"C[0-9A-F]{8}", name) else f"C{zlib.crc32(name.removeprefix('#').encode()):08X}"
    )


def answer_web_api(
    store: MessageStore, method: str, body: bytes, content_type: str, authorization: str
) -> dict[str, Any]:
    """What Slack's Web API answers to a bot."""
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
    elif not store.holds(channel, ts):
        return {"ok": False, "error": "message_not_found"}
    store.keep(message, channel=channel, ts=ts)
    return {"ok": True, "channel": channel, "ts": ts}


class _Handler(BaseHTTPRequestHandler):
    server_version = "ShopNow-webhook-sink"
    timeout = 30
    store: MessageStore

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        if not path.startswith(("/services/", "/api/")):
            return self._answer(404, "no_service")
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            return self._answer(400, "invalid_payload")
        body, content_type = self.rfile.read(int(length)), self.headers.get("Content-Type", "")
        try:
            if path.startswith("/api/"):
                method = path.removeprefix("/api/")
                answer = answer_web_api(
                    self.store, method, body, content_type, self.headers.get("Authorization", "")
                )
                return self._answer(200, json.dumps(answer), "application/json")
            message = parse_message(body, content_type)
            if isinstance(message, str):
                return self._answer(400, message)
            self.store.keep(message)
        except OSError as error:
            return self._answer(500, f"cannot keep the message: {error.strerror}")
        return self._answer(200, "ok")

    def do_GET(self) -> None:
        if urlsplit(self.path).path not in {"/", "/messages"}:
            return self._answer(404, "not found; see /messages")
        kept = self.store.messages()[-MAX_MESSAGES_SHOWN:]
        if "application/json" in self.headers.get("Accept", ""):
            return self._answer(200, json.dumps({"messages": kept}), "application/json")
        return self._answer(200, render_page(kept), "text/html; charset=utf-8")

    def _answer(self, status: int, body: str, content_type: str = "text/plain; charset=utf-8") -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        # Never the path: in a webhook's address the path is the secret.
        self.log_message("%s %s", self.command, code)


def render_page(kept: list[dict[str, Any]]) -> str:
    """The messages as HTML, newest first, every text escaped."""
    articles = "".join(
        f"<article><time>{escape(_timestamps(item))}</time><pre>{escape(plain_text(item['message']))}</pre></article>"
        for item in reversed(kept)
    )
    style = "body{font:16px system-ui;max-width:50em;margin:2em auto}pre{white-space:pre-wrap;font:inherit}article{border-top:1px solid #ccc}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Slack messages</title><style>{style}</style>'
        f"<h1>Slack messages</h1>{articles or '<p>None yet.</p>'}</html>"
    )


def _timestamps(item: dict[str, Any]) -> str:
    return (
        f"{item['received_at']}, updated {item['updated_at']}"
        if "updated_at" in item
        else item["received_at"]
    )


def plain_text(message: dict[str, Any]) -> str:
    """The message's texts as Slack would show them, but for markup."""
    texts: list[str] = []
    for block in message.get("blocks", []):
        for part in [block.get("text"), *(block.get("elements") or [])]:
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                texts.append(part["text"])
    shown = "\n".join(texts) or str(message.get("text", ""))
    shown = re.sub(r"<([^|>]+)\|([^>]+)>", r"\2 (\1)", shown)
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def create_server(host: str, port: int, directory: Path) -> ThreadingHTTPServer:
    """A server that listens, and keeps in the directory what comes once it is told to serve."""
    return ThreadingHTTPServer((host, port), type("Handler", (_Handler,), {"store": MessageStore(directory)}))


def serve(host: str, port: int, directory: Path) -> None:
    """Serve until told to stop.

    Raises:
        UserError: the port is taken.
    """
    try:
        listening = create_server(host, port, directory)
    except OSError as error:
        raise UserError(
            f"webhook server: cannot listen on {host}:{port} ({error.strerror}); choose another port"
        ) from None
    with listening:
        announce(host, listening.server_port)
        listening.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m shopnow.local_stack.webhook_server",
        description="Keep every Slack message as a line of JSON.",
    )
    run(parser, serve)
