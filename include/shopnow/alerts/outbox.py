"""The outbox: messages queued in the `alerts` table that are not sent yet, and the leases to send them.

A message is leased for `LEASE` to the run that queued or claimed it; then any run may claim it. So two
concurrent runs send one message, and the messages of a run that died are sent by its retry or by the next
run. A message is finished when it is sent, when it is dead because too many runs failed or it got too old, or
when it was sent twice without an answer, because a third copy would be worse than uncertainty.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from deltalake import DeltaTable

from shopnow.alerts import alert_log

LEASE = timedelta(minutes=3)
MAX_AGE = timedelta(days=1)
"""Age at which an unsent message is dead: it is outdated, and a reminder follows if the alert still fires."""
MAX_FAILED_RUNS = 100
"""Number of runs that may fail to send a message before it is dead."""
MAX_UNCONFIRMED = 2
"""Maximum number of times a message is sent without an answer."""


class Pending(NamedTuple):
    """A message on one channel that is not known to be sent."""

    dedup_key: str
    channel: str
    sequence: int
    held_by: str | None
    held_until: datetime
    queued_at: datetime
    attempts: int
    """Number of attempts to send it, whatever their outcome."""
    failures: int
    """Number of runs that failed to send it."""
    unconfirmed: int
    """Number of times it was sent without an answer."""

    def is_free(self, owner: str, now: datetime) -> bool:
        """Return whether the run `owner` may claim it."""
        return self.held_by == owner or self.held_until <= now

    def row(
        self, state: str, at: datetime, reason: str | None = None, reference: str | None = None
    ) -> alert_log.Row:
        """Return a row of the alert log that records the message's new state."""
        columns = {
            name: getattr(self, name)
            for name in ("dedup_key", "channel", "sequence", "held_by", "held_until", "attempts")
        }
        return {
            **columns,
            "kind": "message",
            "state": state,
            "at": at,
            "reason": reason,
            "reference": reference,
        }

    def failed(self, reason: str) -> alert_log.Row:
        """Return the row of a failed run: the message is released for the next run, or dead at the limits."""
        now = datetime.now(UTC)
        released = self._replace(held_by=None, held_until=now)
        if self.failures + 1 >= MAX_FAILED_RUNS or now - self.queued_at >= MAX_AGE:
            runs = f"given up after {self.failures + 1} runs since {self.queued_at:%Y-%m-%d %H:%M} UTC"
            return released.row("dead", now, f"{runs}: {reason}")
        return released.row("failed", now, reason)


def message_histories(rows: Iterable[alert_log.Row]) -> list[list[alert_log.Row]]:
    """Group rows in order by message and channel, the oldest message first."""
    histories: dict[tuple[str, str], list[alert_log.Row]] = {}
    for row in rows:
        if row["kind"] == "message":
            histories.setdefault((row["dedup_key"], row["channel"]), []).append(row)
    return list(histories.values())


def pending_messages(rows: Iterable[alert_log.Row]) -> list[Pending]:
    """Return the messages still to be sent, oldest first, from rows in order."""
    return [_latest(history) for history in message_histories(rows) if not is_finished(history)]


def is_finished(history: list[alert_log.Row]) -> bool:
    """Return True if no delivery attempt remains for the message."""
    states = [row["state"] for row in history]
    return not {"sent", "dead"}.isdisjoint(states) or states.count("unconfirmed") >= MAX_UNCONFIRMED


def claim(table: DeltaTable, owner: str, now: datetime, at_least: timedelta) -> list[Pending]:
    """Claim every free message for `owner`, with leases of at least `at_least`.

    Returns:
        All pending messages; the caller must not send those held by another run or by none.

    Raises:
        CommitConflict: another run claimed messages or raised alerts at the same time; nothing was claimed.
    """
    sequence = alert_log.next_sequence(table)
    claims, messages = [], []
    for message in pending_messages(alert_log.read_rows(table, "message")):
        has_lease = message.held_by == owner and message.held_until - now >= at_least
        if message.is_free(owner, now) and not has_lease:
            message = message._replace(held_by=owner, held_until=now + LEASE, sequence=sequence)
            claims.append(message.row("claimed", now))
        messages.append(message)
    if claims:
        alert_log.commit_decision(table, claims)
    return messages


def _latest(history: list[alert_log.Row]) -> Pending:
    newest = history[-1]
    return Pending(
        dedup_key=newest["dedup_key"],
        channel=newest["channel"],
        sequence=newest["sequence"],
        held_by=newest["held_by"],
        held_until=newest["held_until"],
        queued_at=history[0]["at"],
        attempts=newest["attempts"] or 0,
        failures=sum(row["state"] == "failed" for row in history),
        unconfirmed=sum(row["state"] == "unconfirmed" for row in history),
    )
