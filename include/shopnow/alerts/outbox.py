"""The outbox: messages queued in the `alerts` table and not sent yet, and who may send each.

A message belongs to the run that queued or claimed it, for `LEASE`; then anyone may claim it. So two runs at once send
one message, and the messages of a run that died are sent by its retry or by the next run. It is over when it is sent; when
it is dead, because it was refused too often or got too old; or when it was handed over twice without an answer, as nobody is
to read it a third time.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from deltalake import DeltaTable

from shopnow.alerts import alert_log

LEASE = timedelta(minutes=3)
OLDEST = timedelta(days=1)
"""A message that is not out by then is dead: it tells of what was, and an alert that still fires is told again."""
MOST_FAILURES = 100
"""So many runs may fail to send a message before it is dead."""
HAND_OVERS = 2
"""A message is handed over without an answer so often at most."""


class Pending(NamedTuple):
    """A message on one channel that is not known to be sent."""

    dedup_key: str
    channel: str
    sequence: int
    held_by: str | None
    held_until: datetime
    queued_at: datetime
    attempts: int
    """How often it was handed to the channel, whatever came of it."""
    failures: int
    """How many runs failed to send it."""
    unconfirmed: int
    """How often it was handed over without an answer."""

    def is_free(self, owner: str, now: datetime) -> bool:
        """Whether the run `owner` may claim it."""
        return self.held_by == owner or self.held_until <= now

    def row(
        self, state: str, at: datetime, reason: str | None = None, reference: str | None = None
    ) -> alert_log.Row:
        """The message as a row of the log."""
        kept = {
            name: getattr(self, name)
            for name in ("dedup_key", "channel", "sequence", "held_by", "held_until", "attempts")
        }
        return {**kept, "kind": "message", "state": state, "at": at, "reason": reason, "reference": reference}

    def failed(self, reason: str) -> alert_log.Row:
        """Its row when it was not taken: whoever comes next may try again, unless it was tried for long enough."""
        now = datetime.now(UTC)
        free = self._replace(held_by=None, held_until=now)
        if self.failures + 1 >= MOST_FAILURES or now - self.queued_at >= OLDEST:
            return free.row(
                "dead",
                now,
                f"given up after {self.failures + 1} runs since {self.queued_at:%Y-%m-%d %H:%M} UTC: {reason}",
            )
        return free.row("failed", now, reason)


def messages(rows: Iterable[alert_log.Row]) -> list[list[alert_log.Row]]:
    """What became of each message on each channel, the oldest message first, from rows in order."""
    found: dict[tuple[str, str], list[alert_log.Row]] = {}
    for row in rows:
        if row["kind"] == "message":
            found.setdefault((row["dedup_key"], row["channel"]), []).append(row)
    return list(found.values())


def pending(rows: Iterable[alert_log.Row]) -> list[Pending]:
    """The messages that are still to be sent, oldest first, from rows in order."""
    return [_stands(each) for each in messages(rows) if not is_over(each)]


def is_over(rows: list[alert_log.Row]) -> bool:
    """Whether nobody is to send a message any more, from what became of it."""
    states = [row["state"] for row in rows]
    return not {"sent", "dead"}.isdisjoint(states) or states.count("unconfirmed") >= HAND_OVERS


def claim(table: DeltaTable, owner: str, now: datetime, at_least: timedelta) -> list[Pending]:
    """Make every message that may be `owner`'s its own for `at_least` or longer.

    Returns:
        All messages still to be sent; those held by another run, or none, must be left alone.

    Raises:
        Raced: another run claimed, or raised alerts, at the same time; nothing was claimed.
    """
    sequence = alert_log.next_sequence(table)
    claimed, result = [], []
    for message in pending(alert_log.rows(table, "message")):
        free = message.is_free(owner, now)
        if free and not (message.held_by == owner and message.held_until - now >= at_least):
            message = message._replace(held_by=owner, held_until=now + LEASE, sequence=sequence)
            claimed.append(message.row("claimed", now))
        result.append(message)
    if claimed:
        alert_log.decide(table, claimed)
    return result


def _stands(rows: list[alert_log.Row]) -> Pending:
    newest = rows[-1]
    return Pending(
        dedup_key=newest["dedup_key"],
        channel=newest["channel"],
        sequence=newest["sequence"],
        held_by=newest["held_by"],
        held_until=newest["held_until"],
        queued_at=rows[0]["at"],
        attempts=newest["attempts"] or 0,
        failures=sum(row["state"] == "failed" for row in rows),
        unconfirmed=sum(row["state"] == "unconfirmed" for row in rows),
    )
