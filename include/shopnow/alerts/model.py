"""Data types of the alert engine: observations go in, alerts and their changes come out."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """State of an alert. An alert that has never fired has no state."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    """The rule is still breached, and a person has taken charge: no reminders are sent."""
    INHIBITED = "inhibited"
    """The rule is still breached, but another alert explains more, or the data cannot be trusted."""
    RESOLVED = "resolved"


class Observation(NamedTuple):
    """Value of a metric for one subject; `at` is the time of the newest event it rests on."""

    metric: str
    subject: str
    subject_name: str
    """Display name of the subject."""
    value: float
    at: datetime
    facts: str
    """The value in words."""
    sample_size: int | None = None
    """Number of items a ratio was computed over; None if the value is not a ratio."""


class Alert(NamedTuple):
    """One rule's alert about one subject, in the state it has had since `since` (event time).

    Field names are columns of the `alerts` table.
    """

    rule: str
    severity: str
    owner: str
    channels: tuple[str, ...]
    about: str
    subject: str
    subject_name: str
    value: float
    facts: str
    state: State
    since: datetime
    title: str
    todo: str
    firing: int = 1
    """Number of times the alert has fired, this time included."""
    thread: str | None = None
    """Dedup key of the first message about this firing; None until a message was queued."""

    @property
    def fingerprint(self) -> str:
        """Stable identity of the alert over all of its firings."""
        return fingerprint(self.rule, self.subject)

    @property
    def is_active(self) -> bool:
        return self.state != State.RESOLVED


class AlertStatus(NamedTuple):
    """Latest state of an alert, and when the last message about its firing was queued."""

    alert: Alert
    notified_at: datetime | None = None


class Silence(NamedTuple):
    """Notifications for an alert, or for all alerts of a rule, are suppressed until then."""

    target: str
    """A fingerprint or the name of a rule."""
    until: datetime
    reason: str
    by: str

    def covers(self, alert: Alert, now: datetime) -> bool:
        return now < self.until and self.target in {alert.rule, alert.fingerprint}


class Change(NamedTuple):
    """An alert in its new state, or in the same state if `repeated`; `announced` if a message is sent."""

    alert: Alert
    announced: bool
    repeated: bool = False


def fingerprint(rule: str, subject: str) -> str:
    """Identity of the alert of a rule about a subject."""
    return f"{rule}:{subject}"
