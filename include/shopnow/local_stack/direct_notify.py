"""Mail and Slack by the pipeline's connections but without Airflow's hooks, for when Airflow is down."""

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
    """Send a mail to the `to_email` of the connection's extra.

    Raises:
        OSError: the server cannot be reached or rejects the mail.
    """
    extra: Mapping[str, Any] = connection["extra"]
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, extra["from_email"], extra["to_email"]
    mail.set_content(body)
    without_ssl = extra.get("disable_ssl", False)
    smtp_class = smtplib.SMTP if without_ssl else smtplib.SMTP_SSL
    port = connection.get("port") or (25 if without_ssl else 465)
    with smtp_class(connection["host"], port, timeout=_TIMEOUT_SECONDS) as client:
        if without_ssl and not extra.get("disable_tls", False):
            client.starttls()
        if connection.get("login"):
            client.login(connection["login"], connection.get("password") or "")
        client.send_message(mail)


def send_slack(connection: Connection, subject: str, body: str) -> None:
    """Post to the connection's incoming webhook.

    Raises:
        OSError: Slack cannot be reached or rejects the message.
    """
    text = escape(f"{subject}\n{body}")
    address = f"{connection['host'].rstrip('/')}/{connection['password']}"
    payload = msgspec.json.encode({"text": text})
    request = urllib.request.Request(address, payload, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310  (the address is the operator's own)
        pass


CHANNELS = {"email": ("smtp_default", send_email), "slack": ("slack_default", send_slack)}
"""Connection id and send function, by channel."""
