"""Mail and Slack without Airflow: by the same connections, with the standard library, for when Airflow itself is down."""

import smtplib
import urllib.request
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

import msgspec

from shopnow.connections import Connection
from shopnow.notifications.slack import escape

_TIMEOUT_SECONDS = 10


def send_email(connection: Connection, subject: str, body: str) -> None:
    """Send a mail to the connection's `to_email`.

    Raises:
        OSError: the server cannot be reached, or refuses.
    """
    extra: Mapping[str, Any] = connection["extra"]
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, extra["from_email"], extra["to_email"]
    mail.set_content(body)
    plain = extra.get("disable_ssl", False)
    connect = smtplib.SMTP if plain else smtplib.SMTP_SSL
    with connect(
        connection["host"], connection.get("port") or (25 if plain else 465), timeout=_TIMEOUT_SECONDS
    ) as client:
        if plain and not extra.get("disable_tls", False):
            client.starttls()
        if connection.get("login"):
            client.login(connection["login"], connection.get("password") or "")
        client.send_message(mail)


def send_slack(connection: Connection, subject: str, body: str) -> None:
    """Post to the connection's incoming webhook.

    Raises:
        OSError: Slack cannot be reached, or refuses.
    """
    text = escape(f"{subject}\n{body}")
    address = f"{connection['host'].rstrip('/')}/{connection['password']}"
    payload = msgspec.json.encode({"text": text})
    request = urllib.request.Request(address, payload, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310  (the address is the operator's own)
        pass


CHANNELS = {"email": ("smtp_default", send_email), "slack": ("slack_default", send_slack)}
"""By name the connection of each, and how to send by it."""
