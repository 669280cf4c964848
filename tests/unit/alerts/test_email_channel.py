"""Alert mails: their recipients and the thread they belong to."""

from types import SimpleNamespace
from typing import Any

import pytest

from factories.alert_factory import alert
from shopnow.alerts.channels import compose_mail
from shopnow.alerts.message import Background, compose
from shopnow.notifications.delivery_errors import Refused
from shopnow.notifications.mail import Mailer
from shopnow.notifications.smtp_session import SmtpSession

BACKGROUND = Background("http://airflow.example")


def mail(*alerts, key: str = "key-1", sender: str | None = "shop@example.com", **extra: Any):
    """Return the alert mail with the addresses that a connection of this extra gives it."""
    extra = {"to_email": "ops@example.com", **extra}
    hook = SimpleNamespace(conn=SimpleNamespace(extra_dejson=extra), from_email=sender)
    message = compose(key, alerts, BACKGROUND)
    result = compose_mail(message)
    owners = [item.owner for item in message.alerts]
    Mailer().address(result, key, SmtpSession(hook), owners=owners, replies_to=message.replies_to)
    return result


def test_the_first_mail_about_an_alert_starts_its_thread():
    first = mail(alert(thread="key-1"))
    assert (first["Message-ID"], first["In-Reply-To"], first["References"]) == (
        "<key-1@example.com>",
        None,
        None,
    )


def test_later_mails_about_it_reply_to_the_first():
    later = mail(alert(thread="key-1"), key="key-2")
    assert (later["Message-ID"], later["In-Reply-To"], later["References"]) == (
        "<key-2@example.com>",
        "<key-1@example.com>",
        "<key-1@example.com>",
    )


def test_a_mail_about_several_alerts_belongs_to_the_threads_of_all():
    several = mail(alert(thread="key-1"), alert(thread="key-2"), alert(thread="key-3"), key="key-3")
    assert several["References"] == "<key-1@example.com> <key-2@example.com>"


def test_it_goes_to_the_owners_of_its_alerts():
    owners = {"purchasing": "buyers@example.com"}
    assert mail(alert(), owners=owners)["To"] == "buyers@example.com"
    assert mail(alert(), alert(owner="data"), owners=owners)["To"] == "buyers@example.com, ops@example.com"
    assert mail(alert())["To"] == "ops@example.com"


@pytest.mark.parametrize(("sender", "extra"), [(None, {}), ("shop@example.com", {"to_email": ""})])
def test_a_connection_without_addresses_is_refused(sender, extra):
    with pytest.raises(Refused, match='needs "from_email" and "to_email"'):
        mail(alert(), sender=sender, **extra)


def test_an_invalid_address_does_not_stop_the_mail_to_the_others(caplog):
    invalid = "nobody, é@example.com, a@b\nBcc: c@example.com"
    assert mail(alert(), to_email=f"ops@example.com, {invalid}")["To"] == "ops@example.com"
    assert "left out: 'nobody', 'é@example.com'" in caplog.text
    with pytest.raises(Refused, match="has no valid address, only 'nobody'"):
        mail(alert(), to_email=invalid)


def test_a_hostile_name_forges_no_header():
    hostile = mail(alert("Mug\r\nBcc: all@example.org\r\n\r\n<script>"))
    assert hostile["Bcc"] is None
    assert hostile["Subject"] == "[ShopNow+] Sold out: Mug Bcc: all@example.org <script>"
