"""Where messages go: e-mail and Slack, through the hooks and connections of Airflow's providers.

A new channel is one small class with `ready` and `send`. Each failure says what is known about the message: surely not
taken and worth another try (`Unavailable`), surely not taken and a person must mend something first (`Refused`), or
perhaps taken (`Unconfirmed`). No failure's text holds an address or a token.
"""

import http.client
import logging
import smtplib
import threading
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime
from typing import Any, Protocol
from urllib.error import URLError

from shopnow.alerts.message import Message, html, slack, subject, text

_log = logging.getLogger(__name__)
# Airflow is imported when a message is sent, not before; its modules import one another, so one thread at a time.
_importing = threading.Lock()


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

    def send(self, message: Message) -> None:
        """Hand the message over. Raises `Unavailable`, `Refused` or `Unconfirmed`."""


class Email:
    """Mail by Airflow's SMTP connection, whose extra holds `from_email` and `to_email` (several: comma-separated)."""

    def __init__(self, conn_id: str = "smtp_default") -> None:
        self.conn_id = conn_id

    def ready(self) -> None:
        with self._connect():
            pass

    def send(self, message: Message) -> None:
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = subject(message)
        mail["Date"] = localtime()
        mail["X-ShopNow-Dedup-Key"] = message.dedup_key
        mail.set_content(text(message))
        mail.add_alternative(html(message), subtype="html")
        self.post(mail, message.dedup_key)

    def post(self, mail: EmailMessage, key: str, recipients: str | None = None) -> None:
        """Hand a mail over, which gets sender, recipients and, from its key, Message-ID here. Raises as `send`."""
        with self._connect() as hook:
            self._address(mail, key, recipients or hook.conn.extra_dejson.get("to_email"), hook.from_email)
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
                _log.warning("the mail server takes no mail for %s; correct to_email of connection %s", ", ".join(refused), self.conn_id)

    def _connect(self) -> Any:
        with _importing:
            from airflow.exceptions import AirflowException
            from airflow.providers.smtp.hooks.smtp import SmtpHook

        hook = SmtpHook(smtp_conn_id=self.conn_id)
        try:
            hook.get_conn()._smtp_client.ehlo_or_helo_if_needed()
        except smtplib.SMTPAuthenticationError:
            raise Refused(f"the mail server rejects the login of connection {self.conn_id}") from None
        except (OSError, AirflowException) as error:
            raise Unavailable(f"cannot reach the mail server of connection {self.conn_id} ({type(error).__name__})") from None
        return hook

    def _address(self, mail: EmailMessage, key: str, recipients: str | None, sender: str | None) -> None:
        if not sender or not recipients:
            raise Refused(f'connection {self.conn_id} needs "from_email" and "to_email" in its extra')
        mail["From"] = sender
        mail["To"] = recipients
        mail["Message-ID"] = f"<{key}@{sender.rpartition('@')[2]}>"


class Slack:
    """A Slack channel by Airflow's incoming-webhook connection."""

    def __init__(self, conn_id: str = "slack_default") -> None:
        self.conn_id = conn_id

    def ready(self) -> None:
        # Slack answers "no_text" to an empty message and posts nothing; any answer will do.
        try:
            self._post({})
        except Refused:
            return
        except Unconfirmed as error:
            raise Unavailable(str(error)) from None

    def send(self, message: Message) -> None:
        self._post(slack(message))

    def _post(self, body: dict[str, Any]) -> None:
        with _importing:
            from airflow.exceptions import AirflowException
            from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook
            from slack_sdk.proxy_env_variable_loader import load_http_proxy_from_env

        # The SDK's own retries repeat without a question, and its log lines hold the webhook's address, which is a secret.
        hook = SlackWebhookHook(slack_webhook_conn_id=self.conn_id, retry_handlers=[], logger=_silent)
        try:
            client = hook.client
            if client.proxy == load_http_proxy_from_env(_silent):
                client.proxy = None  # urllib finds the environment's proxy itself, and minds NO_PROXY, as the SDK does not
            response = client.send_dict(body)
        except URLError as error:  # raised before the request is out
            raise Unavailable(f"cannot reach Slack by connection {self.conn_id} ({type(error.reason).__name__})") from None
        except (OSError, http.client.HTTPException) as error:
            raise Unconfirmed(f"no answer from Slack ({type(error).__name__})") from None
        except AirflowException:
            raise Refused(f"connection {self.conn_id} is missing or has no webhook token as its password") from None
        _check(response.status_code, response.body, response.headers)


def default() -> dict[str, Channel]:
    """The channels every message goes to, by name."""
    return {"email": Email(), "slack": Slack()}


_silent = logging.getLogger(f"{__name__}.slack_sdk")
_silent.setLevel(logging.CRITICAL)


def _check(status: int, body: str, headers: Any) -> None:
    if status == 200:
        return
    answer = f"Slack answers {status}: {body[:100]!r}"
    if status == 504:  # a gateway gave up waiting for Slack
        raise Unconfirmed(answer)
    if status == 429 or status >= 500:
        retry_after = next((value for name, value in headers.items() if name.lower() == "retry-after"), "0")
        raise Unavailable(answer, float(retry_after) if retry_after.isdigit() else 0)
    raise Refused(answer)


def _by_code(code: int, answer: bytes | str) -> Unavailable | Refused:
    words = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    reason = f"the mail server answers {code} {words[:100]}"
    return Unavailable(reason) if 400 <= code < 500 else Refused(reason)
