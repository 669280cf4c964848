"""Where messages go.

A new channel is one small class with `ready` and `send`, and a name in `default`. Each failure says what is known about the
message: surely not taken and worth another try (`Unavailable`), surely not taken and a person must mend something first
(`Refused`), or perhaps taken (`Unconfirmed`). No failure's text holds an address or a token.
"""

import threading
from typing import Protocol

from shopnow.alerts.message import Message

importing = threading.Lock()
"""Airflow is imported when a message is sent, not before; its modules import one another, so one thread at a time."""


class Unavailable(Exception):
    """The channel does not take messages now. `retry_after`: seconds it asks to be left alone."""

    def __init__(self, reason: str, retry_after: float = 0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Refused(Exception):
    """The channel does not take this message, and will not until somebody mends it or the connection."""


class Unconfirmed(Exception):
    """The message was handed over whole, but no answer came: it may have been taken."""


class Channel(Protocol):
    """A way to reach people."""

    def ready(self) -> None:
        """Return if the channel answers at all; sends nothing. Raises `Unavailable`."""

    def send(self, message: Message) -> str | None:
        """Hand the message over, and say what the channel calls it, if later messages are to refer to that.

        Raises `Unavailable`, `Refused` or `Unconfirmed`.
        """


def default() -> dict[str, Channel]:
    """The channels that rules may name."""
    from shopnow.notifications.mail import Email
    from shopnow.notifications.slack import Slack

    return {"email": Email(), "slack": Slack()}
