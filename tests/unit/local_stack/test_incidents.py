"""Each channel is notified once when a problem starts, and once when it is resolved."""

import json
from datetime import UTC, datetime, timedelta

from shopnow.local_stack import incidents
from shopnow.local_stack.incidents import Incident, PendingNotification, Problem
from shopnow.settings import Settings

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
DEAD = Problem("service/kafka", "kafka is dead")
FAILED = Problem("dag/land_events/failed", "land_events: run 1 failed")


class Channel:
    """A channel, and the lines that were sent to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []

    def notify(self, open_incidents: dict[str, Incident], now: datetime) -> dict[str, Incident]:
        notification = incidents.pending_notification(open_incidents, self.name, now)
        if notification:
            self.lines += incidents.render(notification)[1].splitlines()
        return incidents.mark_notified(open_incidents, self.name, notification)


def run_checks(*results: list[Problem], channels: tuple[Channel, ...]) -> dict[str, Incident]:
    """Check every five seconds with these results, and notify all channels after each check."""
    open_incidents: dict[str, Incident] = {}
    for number, problems in enumerate(results):
        now = NOON + timedelta(seconds=5 * number)
        open_incidents = incidents.update(open_incidents, problems, (), now)
        for channel in channels:
            open_incidents = channel.notify(open_incidents, now)
    return open_incidents


def test_problem_is_notified_once_and_once_when_resolved():
    mail, slack = Channel("email"), Channel("slack")
    results = [DEAD], [DEAD], [DEAD, FAILED], [FAILED], [FAILED], [], []
    assert run_checks(*results, channels=(mail, slack)) == {}
    assert mail.lines == slack.lines
    assert [line.split(" (")[0] for line in mail.lines] == [
        "Problem: kafka is dead",
        "Problem: land_events: run 1 failed",
        "Resolved: kafka is dead",
        "Resolved: land_events: run 1 failed",
    ]


def test_problem_of_a_single_check_is_not_notified():
    mail = Channel("email")
    assert run_checks([DEAD], [], [DEAD], [], channels=(mail,)) == {}
    assert mail.lines == []


def test_returning_problem_is_notified_again():
    mail = Channel("email")
    run_checks([DEAD], [DEAD], [], [DEAD], [DEAD], channels=(mail,))
    assert [line.split(":")[0] for line in mail.lines] == ["Problem", "Resolved", "Problem"]


def test_incident_that_cannot_be_checked_stays_unchanged():
    mail = Channel("email")
    before = mail.notify(incidents.update({}, [FAILED], [], NOON), NOON + timedelta(seconds=5))
    after = incidents.update(before, [DEAD], ["dag/"], NOON + timedelta(seconds=10))
    assert after[FAILED.key] == before[FAILED.key]
    mail.notify(after, NOON + timedelta(seconds=10))
    assert len(mail.lines) == 1


def test_channel_that_was_down_is_notified_of_open_incidents_only():
    mail, slack = Channel("email"), Channel("slack")
    open_incidents = run_checks([DEAD, FAILED], [DEAD, FAILED], [FAILED], channels=(mail,))
    slack.notify(open_incidents, NOON + timedelta(minutes=1))
    assert [line.split(" (")[0] for line in slack.lines] == ["Problem: land_events: run 1 failed"]


def test_incidents_survive_a_restart(tmp_path):
    settings = Settings(data_dir=tmp_path)
    assert incidents.load(settings) == ({}, None)
    open_incidents = run_checks([DEAD], [DEAD], channels=(Channel("email"),))
    incidents.save(settings, open_incidents)
    assert incidents.load(settings)[0] == open_incidents


def test_file_format_is_stable(tmp_path):
    settings = Settings(data_dir=tmp_path)
    incidents.save(settings, run_checks([DEAD], [DEAD], channels=(Channel("email"),)))
    content = json.loads((tmp_path / "watchdog" / "incidents.json").read_text())
    assert datetime.fromisoformat(content["looked_at"])
    assert content["incidents"] == {
        "service/kafka": {
            "what": "kafka is dead",
            "since": NOON.isoformat(),
            "told": ["email"],
            "over": None,
        }
    }


def test_subject_is_one_line():
    notification = PendingNotification({"a": Incident("one\r\nBcc: all", NOON.isoformat())}, {})
    subject, body = incidents.render(notification)
    assert "\n" not in subject
    assert "Bcc" in body
