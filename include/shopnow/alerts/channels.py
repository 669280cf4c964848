"""Channels over which alert messages reach people.

A new channel is one small class with `ready` and `send`, and an entry in `default`. Each delivery error says
whether the message may have been accepted (`notifications/delivery_errors.py`).
"""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime
from typing import Protocol

from shopnow.alerts.message import Message, html, slack, subject, text
from shopnow.notifications.mail import Mailer
from shopnow.notifications.slack import Bot, Webhook


class Channel(Protocol):
    """A way to reach people."""

    def ready(self) -> None:
        """Return if the channel answers; sends nothing. Raises `Unavailable`."""

    def send(self, message: Message) -> str | None:
        """Send the message once.

        Returns:
            The channel's id of the message if later messages are to refer to it.

        Raises:
            Unavailable, Refused, Unconfirmed: see `delivery_errors`.
        """


class Email:
    """Mail to the owners of a message's alerts.

    Mails about the same firing of an alert are replies to the first one, so that a mail program shows one
    thread.
    """

    def __init__(self, mailer: Mailer | None = None) -> None:
        self._mailer = mailer or Mailer()

    def ready(self) -> None:
        self._mailer.ready()

    def send(self, message: Message) -> None:
        self._mailer.post(
            compose_mail(message),
            message.dedup_key,
            owners=[alert.owner for alert in message.alerts],
            replies_to=message.replies_to,
        )


class Slack:
    """Slack by the bot if its connection exists, otherwise by the incoming webhook.

    The bot updates the first message about an alert as the alert changes, and posts only what fires; the
    webhook posts every message.
    """

    def __init__(self, webhook: Webhook | None = None, bot: Bot | None = None) -> None:
        self._webhook, self._bot = webhook or Webhook(), bot or Bot()

    def ready(self) -> None:
        (self._bot if self._bot.is_configured() else self._webhook).ready()

    def send(self, message: Message) -> str | None:
        if not self._bot.is_configured():
            self._webhook.post(slack(message))
            return None
        # Updates first because they are idempotent; then at most one new message.
        updated = {
            root.message.dedup_key
            for root in message.thread_roots
            if self._bot.update(root.reference, slack(root.message))
        }
        news = tuple(alert for alert in message.alerts if alert.is_active or alert.thread not in updated)
        return self._bot.post(slack(message._replace(alerts=news))) if news else None


def default() -> dict[str, Channel]:
    """The channels that rules may name."""
    return {"email": Email(), "slack": Slack()}


def compose_mail(message: Message) -> EmailMessage:
    """The message as a mail without addresses."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = subject(message)
    mail["Date"] = localtime()
    mail["X-ShopNow-Dedup-Key"] = message.dedup_key
    mail.set_content(text(message))
    mail.add_alternative(html(message), subtype="html")
    return mail
