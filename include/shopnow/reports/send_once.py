"""Sending a report's mail, at most once however often the task that does is tried."""

import logging
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any, Protocol

from shopnow.errors import UserError
from shopnow.notifications.delivery_errors import Refused, Unconfirmed

_log = logging.getLogger(__name__)

KEY, HANDING_OVER, NOT_TAKEN, SENT = "mail", "handing over", "not taken", "sent"


class Store(Protocol):
    """What a task remembers from one try to the next, such as Airflow's task state store."""

    def get(self, key: str) -> Any: ...
    def set(self, key: str, value: Any) -> None: ...


def send_once(store: Store, make: Callable[[], EmailMessage], post: Callable[[EmailMessage], None]) -> bool:
    """Make the mail and hand it over, unless an earlier try did.

    Returns:
        Whether it was sent now.

    Raises:
        Unavailable: surely not taken; try again.
        UserError: it was refused, or nobody knows whether it was taken, now or by a try that died half-way: not to be tried again.
    """
    match store.get(KEY):
        case state if state == SENT:
            _log.info("the mail was sent by an earlier try")
            return False
        case state if state == HANDING_OVER:
            raise UserError(
                "an earlier try ended as it handed the mail over; look whether it came, and if not, trigger a new run for the date"
            )
    mail = make()
    store.set(KEY, HANDING_OVER)
    try:
        post(mail)
    except Unconfirmed as error:
        raise UserError(
            f"{error}: the mail may have been taken; look whether it came, and if not, trigger a new run for the date"
        ) from None
    except Refused as error:
        store.set(KEY, NOT_TAKEN)
        raise UserError(f"{error}; mend that, then clear the task") from None
    except Exception:
        store.set(KEY, NOT_TAKEN)
        raise
    store.set(KEY, SENT)
    return True
