"""What the watchdog tells: each problem once on each channel, and once when it is over."""

from datetime import UTC, datetime, timedelta

from shopnow.local_stack import incidents
from shopnow.local_stack.incidents import Incident, Problem
from shopnow.settings import Settings

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
DEAD = Problem("service/kafka", "kafka is dead")
FAILED = Problem("dag/land_events/failed", "land_events: run 1 failed")


class Reader:
    """Somebody who reads one channel."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.heard: list[str] = []

    def hear(self, known: dict[str, Incident], now: datetime) -> dict[str, Incident]:
        heard = incidents.pending_notification(known, self.channel, now)
        if heard.began or heard.over:
            self.heard += incidents.render(heard)[1].splitlines()
        return incidents.mark_notified(known, self.channel, heard)


def looks(
    *found: list[Problem], readers: tuple[Reader, ...], unknown: tuple[str, ...] = ()
) -> dict[str, Incident]:
    """Looks every five seconds, after each of which all readers are told."""
    known: dict[str, Incident] = {}
    for number, problems in enumerate(found):
        now = NOON + timedelta(seconds=5 * number)
        known = incidents.update(known, problems, unknown, now)
        for reader in readers:
            known = reader.hear(known, now)
    return known


def test_a_problem_is_told_once_and_once_when_it_is_over():
    mail, slack = Reader("email"), Reader("slack")
    assert looks([DEAD], [DEAD], [DEAD, FAILED], [FAILED], [FAILED], [], [], readers=(mail, slack)) == {}
    assert mail.heard == slack.heard
    assert [line.split(" (")[0] for line in mail.heard] == [
        "Wrong: kafka is dead",
        "Wrong: land_events: run 1 failed",
        "Over: kafka is dead",
        "Over: land_events: run 1 failed",
    ]


def test_what_is_gone_at_the_next_look_is_not_told():
    mail = Reader("email")
    assert looks([DEAD], [], [DEAD], [], readers=(mail,)) == {}
    assert mail.heard == []


def test_a_problem_that_comes_back_is_told_again():
    mail = Reader("email")
    looks([DEAD], [DEAD], [], [DEAD], [DEAD], readers=(mail,))
    assert [line[:5] for line in mail.heard] == ["Wrong", "Over:", "Wrong"]


def test_what_cannot_be_looked_at_is_neither_over_nor_told_again():
    known = incidents.update({}, [FAILED], [], NOON)
    mail = Reader("email")
    known = mail.hear(known, NOON + timedelta(seconds=5))
    after = incidents.update(known, [DEAD], ["dag/"], NOON + timedelta(seconds=10))
    assert after[FAILED.key] == known[FAILED.key]
    mail.hear(after, NOON + timedelta(seconds=10))
    assert len(mail.heard) == 1


def test_a_channel_that_was_down_hears_only_of_what_is_still_wrong():
    mail, slack = Reader("email"), Reader("slack")
    known = looks([DEAD, FAILED], [DEAD, FAILED], [FAILED], readers=(mail,))
    slack.hear(known, NOON + timedelta(minutes=1))
    assert [line.split(" (")[0] for line in slack.heard] == ["Wrong: land_events: run 1 failed"]


def test_what_is_known_outlives_the_watchdog(tmp_path):
    settings = Settings(data_dir=tmp_path)
    assert incidents.load(settings) == ({}, None)
    known = looks([DEAD], [DEAD], readers=(Reader("email"),))
    incidents.save(settings, known)
    assert incidents.load(settings)[0] == known


def test_the_subject_is_one_line():
    subject, body = incidents.render(incidents.PendingNotification({"a": Incident("one\r\nBcc: all", NOON.isoformat())}, {}))
    assert "\n" not in subject
    assert "Bcc" in body
