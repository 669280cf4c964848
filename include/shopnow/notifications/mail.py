"""E-mail, through the hook and connection of Airflow's SMTP provider."""

import logging
import smtplib
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime
from typing import Any

from shopnow.alerts.channels import Refused, Unavailable, Unconfirmed, importing
from shopnow.alerts.message import Message, html, subject, text

_log = logging.getLogger(__name__)


class Email:
    """Mail by Airflow's SMTP connection, whose extra holds `from_email` and `to_email` (several: comma-separated).

    Its extra may also hold `owners`, the addresses of some owners: a mail goes to those of the alerts in it. Mails about the
    same firing of an alert are answers to the first one, so that a mail program shows them as one thread.
    """

    def __init__(self, conn_id: str = "smtp_default") -> None:
        self.conn_id = conn_id

    def ready(self) -> None:
        with self._connect():
            pass

    def send(self, message: Message) -> None:
        with self._connect() as hook:
            self._hand_over(self._mail(message, hook), hook)

    def post(self, mail: EmailMessage, key: str, recipients: str | None = None) -> None:
        """Hand over a mail made elsewhere, which gets sender, recipients and, from its key, Message-ID here. Raises as `send`."""
        with self._connect() as hook:
            self._address(mail, key, [recipients or hook.conn.extra_dejson.get("to_email")], hook)
            self._hand_over(mail, hook)

    def _hand_over(self, mail: EmailMessage, hook: Any) -> None:
        try:
            # The hook's own send_email_smtp knows no text alternative and sends again at once when in doubt.
            refused = hook._smtp_client.send_message(mail)
        except smtplib.SMTPResponseException as error:
            raise _by_code(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPRecipientsRefused as error:
            raise _by_code(*max(error.recipients.values())) from None
        except OSError as error:  # also smtplib's SMTPServerDisconnected
            raise Unconfirmed(f"no answer from the mail server ({type(error).__name__})") from None
        if refused:
            _log.warning(
                "the mail server takes no mail for %s; correct to_email of connection %s",
                ", ".join(refused),
                self.conn_id,
            )

    def _connect(self) -> Any:
        with importing:
            from airflow.exceptions import AirflowException
            from airflow.providers.smtp.hooks.smtp import SmtpHook

        hook = SmtpHook(smtp_conn_id=self.conn_id)
        try:
            hook.get_conn()._smtp_client.ehlo_or_helo_if_needed()
        except smtplib.SMTPAuthenticationError:
            raise Refused(f"the mail server rejects the login of connection {self.conn_id}") from None
        except (OSError, AirflowException) as error:
            raise Unavailable(
                f"cannot reach the mail server of connection {self.conn_id} ({type(error).__name__})"
            ) from None
        return hook

    def _mail(self, message: Message, hook: Any) -> EmailMessage:
        extra = hook.conn.extra_dejson
        owners = extra.get("owners") or {}
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = subject(message)
        self._address(
            mail,
            message.dedup_key,
            [owners.get(alert.owner, extra.get("to_email")) for alert in message.alerts],
            hook,
        )
        mail["Date"] = localtime()
        if firsts := [_id(key, hook) for key in message.replies_to]:
            mail["In-Reply-To"] = firsts[-1]
            mail["References"] = " ".join(firsts)
        mail["X-ShopNow-Dedup-Key"] = message.dedup_key
        mail.set_content(text(message))
        mail.add_alternative(html(message), subtype="html")
        return mail

    def _address(self, mail: EmailMessage, key: str, recipients: list[Any], hook: Any) -> None:
        if not hook.from_email or not all(recipients):
            raise Refused(f'connection {self.conn_id} needs "from_email" and "to_email" in its extra')
        mail["From"] = hook.from_email
        mail["To"] = ", ".join(dict.fromkeys(recipients))
        mail["Message-ID"] = _id(key, hook)


def _id(key: str, hook: Any) -> str:
    return f"<{key}@{hook.from_email.rpartition('@')[2]}>"


def _by_code(code: int, answer: bytes | str) -> Unavailable | Refused:
    words = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    reason = f"the mail server answers {code} {words[:100]}"
    return Unavailable(reason) if 400 <= code < 500 else Refused(reason)
