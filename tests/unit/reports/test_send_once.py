"""A report is handed over at most once, whatever becomes of the task that does."""

from email.message import EmailMessage

import pytest

from shopnow.notifications.delivery_errors import Refused, Unavailable, Unconfirmed
from shopnow.errors import UserError
from shopnow.reports.send_once import send_once


class Store(dict):
    """What Airflow remembers of a task from one try to the next."""

    def set(self, key: str, value: str) -> None:
        self[key] = value


class Killed(BaseException):
    pass


def post(failure: BaseException | None, sent: list[EmailMessage]):
    def hand_over(mail: EmailMessage) -> None:
        sent.append(mail)
        if failure:
            raise failure

    return hand_over


def test_a_mail_is_sent_once_however_often_it_is_tried():
    store, sent = Store(), []
    assert send_once(store, EmailMessage, post(None, sent))
    assert not send_once(store, EmailMessage, post(None, sent))
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("failure", "raised"), [(Unavailable("away"), Unavailable), (Refused("no such address"), UserError)]
)
def test_what_was_surely_not_taken_may_be_sent_again(failure, raised):
    store, sent = Store(), []
    with pytest.raises(raised):
        send_once(store, EmailMessage, post(failure, sent))
    assert send_once(store, EmailMessage, post(None, sent))
    assert len(sent) == 2


@pytest.mark.parametrize(("failure", "raised"), [(Unconfirmed("no answer"), UserError), (Killed(), Killed)])
def test_what_may_have_been_taken_is_not_sent_again(failure, raised):
    store, sent = Store(), []
    with pytest.raises(raised):
        send_once(store, EmailMessage, post(failure, sent))
    with pytest.raises(UserError, match="trigger a new run"):
        send_once(store, EmailMessage, post(None, sent))
    assert len(sent) == 1


def test_a_mail_that_cannot_be_made_is_tried_again():
    store, sent = Store(), []

    def fails() -> EmailMessage:
        raise OSError("HDFS does not answer")

    with pytest.raises(OSError, match="HDFS"):
        send_once(store, fails, post(None, sent))
    assert send_once(store, EmailMessage, post(None, sent))
