"""An SMTP session opened by Airflow's SMTP provider, behind the few calls that a mailer needs.

The provider's public `send_email_smtp` has no plain-text alternative and retries at once when it is in doubt,
which could deliver a mail twice. So the session uses the provider's private client; this module is the only
one that does.
"""

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from shopnow.notifications.airflow_imports import IMPORT_LOCK
from shopnow.notifications.delivery_errors import Refused, Unavailable, Unconfirmed


class SmtpSession:
    """An open session with the mail server of a connection."""

    def __init__(self, hook: Any) -> None:
        self._hook = hook

    @property
    def extra(self) -> dict[str, Any]:
        """The connection's extra."""
        return self._hook.conn.extra_dejson

    @property
    def from_email(self) -> str | None:
        return self._hook.from_email

    def send(self, mail: EmailMessage) -> list[str]:
        """Send a mail once.

        Returns:
            Recipients that the server refused while it accepted the mail for others.

        Raises:
            Unavailable, Refused, Unconfirmed: see `delivery_errors`.
        """
        try:
            return list(self._hook._smtp_client.send_message(mail))
        except smtplib.SMTPResponseException as error:
            raise _error_for_code(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPRecipientsRefused as error:
            raise _error_for_code(*max(error.recipients.values())) from None
        except OSError as error:  # also smtplib's SMTPServerDisconnected
            raise Unconfirmed(f"no answer from the mail server ({type(error).__name__})") from None


@contextmanager
def connect(conn_id: str) -> Iterator[SmtpSession]:
    """Open a session by an Airflow connection.

    Raises:
        Unavailable: the server cannot be reached.
        Refused: the server rejects the login.
    """
    with IMPORT_LOCK:
        from airflow.exceptions import AirflowException
        from airflow.providers.smtp.hooks.smtp import SmtpHook

    hook = SmtpHook(smtp_conn_id=conn_id)
    try:
        hook.get_conn()._smtp_client.ehlo_or_helo_if_needed()
    except smtplib.SMTPAuthenticationError:
        raise Refused(f"the mail server rejects the login of connection {conn_id}") from None
    except (OSError, AirflowException) as error:
        raise Unavailable(
            f"cannot reach the mail server of connection {conn_id} ({type(error).__name__})"
        ) from None
    with hook:
        yield SmtpSession(hook)


def _error_for_code(code: int, answer: bytes | str) -> Unavailable | Refused:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    reason = f"the mail server answers {code} {text[:100]}"
    return Unavailable(reason) if 400 <= code < 500 else Refused(reason)
