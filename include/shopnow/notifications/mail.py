"""E-mail through the hook and connection of Airflow's SMTP provider."""

import logging
import re
from collections.abc import Iterable, Sequence
from email.message import EmailMessage

from shopnow.notifications import smtp_session
from shopnow.notifications.delivery_errors import Refused
from shopnow.notifications.smtp_session import SmtpSession

_log = logging.getLogger(__name__)
_ADDRESS = re.compile(r"[ -~]+@[!-~]+")


class Mailer:
    """Sends mail by an Airflow connection.

    The connection's extra holds `from_email` and `to_email` (several: comma-separated). It may also hold
    `owners`, addresses by owner: a mail about an owner's alerts goes to that address.
    """

    def __init__(self, conn_id: str = "smtp_default") -> None:
        self.conn_id = conn_id

    def ready(self) -> None:
        """Return if the server answers; sends nothing. Raises `Unavailable` or `Refused`."""
        with smtp_session.connect(self.conn_id):
            pass

    def post(
        self,
        mail: EmailMessage,
        key: str,
        *,
        recipients: str | None = None,
        owners: Iterable[str] = (),
        replies_to: Sequence[str] = (),
    ) -> None:
        """Set the mail's addresses and message ids, then send it once.

        Args:
            mail: subject and content; gets `From`, `To`, `Message-ID`, `In-Reply-To` and `References` here.
            key: identity of the mail, the same on every attempt; part of its Message-ID.
            recipients: addresses, comma-separated; overrides those of the connection.
            owners: owners to address, by the connection's `owners`; `to_email` for those not listed there.
            replies_to: keys of the earlier mails of the same threads.

        Raises:
            Unavailable, Refused, Unconfirmed: see `delivery_errors`.
        """
        with smtp_session.connect(self.conn_id) as session:
            self.address(mail, key, session, recipients=recipients, owners=owners, replies_to=replies_to)
            if refused := session.send(mail):
                _log.warning(
                    "the mail server refuses recipients %s; correct to_email of connection %s",
                    ", ".join(refused),
                    self.conn_id,
                )

    def address(
        self,
        mail: EmailMessage,
        key: str,
        session: SmtpSession,
        *,
        recipients: str | None = None,
        owners: Iterable[str] = (),
        replies_to: Sequence[str] = (),
    ) -> None:
        """Set the headers that depend on the connection; arguments as for `post`."""
        default = recipients or session.extra.get("to_email") or ""
        by_owner = session.extra.get("owners") or {}
        lists: list[str] = list(dict.fromkeys(by_owner.get(owner, default) for owner in owners)) or [default]
        if not session.from_email or not all(lists):
            raise Refused(f'connection {self.conn_id} needs "from_email" and "to_email" in its extra')
        addresses = dict.fromkeys(address.strip() for text in lists for address in str(text).split(","))
        to = [address for address in addresses if _ADDRESS.fullmatch(address)]
        # An address that cannot be sent would make smtplib refuse the mail for all.
        if invalid := [address for address in addresses if address and address not in to]:
            names = ", ".join(map(repr, invalid))
            if not to:
                raise Refused(f"connection {self.conn_id} has no valid address, only {names}")
            _log.warning("connection %s has invalid addresses, left out: %s", self.conn_id, names)
        domain = session.from_email.rpartition("@")[2]
        mail["From"] = session.from_email
        mail["To"] = ", ".join(to)
        mail["Message-ID"] = f"<{key}@{domain}>"
        if references := [f"<{earlier}@{domain}>" for earlier in replies_to]:
            mail["In-Reply-To"] = references[-1]
            mail["References"] = " ".join(references)
