"""`inbox`: messages received by the local mail and Slack servers."""

from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated, Any

import typer

from shopnow.cli.output import Json, print_json, print_table, say
from shopnow.local_stack.webhook_server import MessageStore, plain_text
from shopnow.settings import Settings
from shopnow.text_format import printable


def inbox(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Maximum number of messages.")] = 20,
    texts: Annotated[
        bool, typer.Option("--texts", help="Show the whole text, not only the subject.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the messages received by the local mail and Slack servers, newest first. Times are UTC."""
    data = Settings.load().data_dir
    received = messages(data / "smtp", data / "slack", limit)
    if as_json:
        print_json({"messages": received})
    elif texts:
        for message in received:
            lines = "\n".join(map(printable, message["text"].rstrip().splitlines()))
            subject = printable(message["subject"])
            say(f"— {message['channel']}, {_time(message['received_at'])}: {subject}\n\n{lines}\n")
    else:
        rows = [
            (
                _time(message["received_at"]),
                message["channel"],
                message["subject"],
                message["dedup_key"] or "",
            )
            for message in received
        ]
        print_table("Inbox", ("at", "channel", "subject", "alert message"), rows)


def messages(mails: Path, slack: Path, limit: int) -> list[dict[str, Any]]:
    """Return the newest messages in the folders of the two servers, newest first; times as ISO 8601."""
    newest_mails = sorted(mails.glob("*.eml"), reverse=True)[:limit]
    newest_slack = MessageStore(slack).messages()[-limit:]
    received = [*map(_mail, newest_mails), *map(_slack, newest_slack)]
    return sorted(received, key=lambda message: message["received_at"], reverse=True)[:limit]


def _mail(file: Path) -> dict[str, Any]:
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    text, body = "", mail.get_body(("plain", "html"))
    try:
        text = body.get_content() if isinstance(body, EmailMessage) else ""
    except (LookupError, ValueError) as error:  # such as an unknown character set
        text = f"(the text cannot be read: {error})"
    return {
        "received_at": mail["X-Received-At"],
        "channel": "email",
        "to": mail["X-RcptTo"],
        "subject": mail["Subject"],
        "text": text,
        "dedup_key": mail["X-ShopNow-Dedup-Key"],
        "message_id": mail["Message-ID"],
        "in_reply_to": mail["In-Reply-To"],
        "file": str(file),
    }


def _slack(item: dict[str, Any]) -> dict[str, Any]:
    message = item["message"]
    return {
        "received_at": item["received_at"],
        "updated_at": item.get("updated_at"),
        "channel": "slack",
        "subject": plain_text({"text": message.get("text", "")}),
        "text": plain_text(message),
        "dedup_key": next(_keys(message), None),
        "ts": item.get("ts"),
    }


def _keys(message: dict[str, Any]) -> Iterator[str]:
    """Yield the dedup key with which the last line of an alert's message ends."""
    for block in reversed(message.get("blocks", [])):
        for element in block.get("elements") or []:
            _, mark, key = str(element.get("text", "")).rpartition("ShopNow+ alert ")
            if mark:
                yield key


def _time(at: str) -> str:
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S}"
