"""A report is sent at most once, however its task ends."""

from email.message import EmailMessage

import pytest

from shopnow.errors import UserError
from shopnow.notifications.delivery_errors import Refused, Unavailable, Unconfirmed
from shopnow.reports.send_once import send_once


class Store(dict):
    """State that Airflow keeps of a task between tries."""

    def set(self, key: str, value: str) -> None:
        self[key] = value


class Killed(BaseException):
    pass


def post(failure: BaseException | None, sent: list[EmailMessage]):
    def send(mail: EmailMessage) -> None:
        sent.append(mail)
        if failure:
            raise failure

    return send


def test_a_mail_is_sent_once_over_all_tries():
    store, sent = Store(), []
    assert send_once(store, EmailMessage, post(None, sent))
    assert not send_once(store, EmailMessage, post(None, sent))
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("failure", "raised"), [(Unavailable("away"), Unavailable), (Refused("no such address"), UserError)]
)
def test_a_mail_that_was_not_accepted_is_sent_again(failure, raised):
    store, sent = Store(), []
    with pytest.raises(raised):
        send_once(store, EmailMessage, post(failure, sent))
    assert send_once(store, EmailMessage, post(None, sent))
    assert len(sent) == 2


@pytest.mark.parametrize(("failure", "raised"), [(Unconfirmed("no answer"), UserError), (Killed(), Killed)])
def test_a_mail_that_may_have_been_accepted_is_not_sent_again(failure, raised):
    store, sent = Store(), []
    with pytest.raises(raised):
        send_once(store, EmailMessage, post(failure, sent))
    with pytest.raises(UserError, match="trigger a new run"):
        send_once(store, EmailMessage, post(None, sent))
    assert len(sent) == 1


def test_a_failure_to_build_the_mail_is_retried():
    store, sent = Store(), []

    def fails() -> EmailMessage:
        raise OSError("HDFS does not answer")

    with pytest.raises(OSError, match="HDFS"):
        send_once(store, fails, post(None, sent))
    assert send_once(store, EmailMessage, post(None, sent))
