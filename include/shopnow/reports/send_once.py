"""Send a report's mail at most once, however often its task is retried."""

import logging
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any, Protocol

from shopnow.errors import UserError
from shopnow.notifications.delivery_errors import Refused, Unconfirmed

_log = logging.getLogger(__name__)

KEY = "mail"
SENDING, NOT_ACCEPTED, SENT = "handing over", "not taken", "sent"
"""Stored states of the mail; an earlier version's values, which running stacks may hold."""


class Store(Protocol):
    """State that a task keeps between tries, such as Airflow's task state store."""

    def get(self, key: str) -> Any: ...
    def set(self, key: str, value: Any) -> None: ...


def send_once(store: Store, build: Callable[[], EmailMessage], post: Callable[[EmailMessage], None]) -> bool:
    """Build and send the mail, unless an earlier try sent it.

    Returns:
        Whether it was sent by this call.

    Raises:
        Unavailable: the mail was not accepted; retry.
        UserError: it was refused, or may have been accepted by this try or one that died while sending; do
            not retry.
    """
    state = store.get(KEY)
    if state == SENT:
        _log.info("an earlier try sent the mail")
        return False
    if state == SENDING:
        raise UserError(
            "an earlier try ended while it sent the mail; "
            "check whether it arrived, and if not, trigger a new run for the date"
        )
    mail = build()
    store.set(KEY, SENDING)
    try:
        post(mail)
    except Unconfirmed as error:
        raise UserError(
            f"{error}: the mail may have been accepted; "
            "check whether it arrived, and if not, trigger a new run for the date"
        ) from None
    except Refused as error:
        store.set(KEY, NOT_ACCEPTED)
        raise UserError(f"{error}; fix that, then clear the task") from None
    except Exception:
        store.set(KEY, NOT_ACCEPTED)
        raise
    store.set(KEY, SENT)
    return True
