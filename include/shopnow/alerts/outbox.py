"""The outbox: messages queued in the `alerts` table and not sent yet, and who may send each.

A message belongs to the run that queued or claimed it, for `LEASE`; then anyone may claim it. So two runs at once send
one message, and the messages of a run that died are sent by its retry or by the next run.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from deltalake import DeltaTable

from shopnow.alerts import journal

LEASE = timedelta(minutes=3)


class Pending(NamedTuple):
    """A message on one channel that is not known to be sent."""

    dedup_key: str
    channel: str
    sequence: int
    owner: str | None
    held_until: datetime
    unconfirmed: int
    """How often it was handed over without an answer."""

    def is_free(self, owner: str, now: datetime) -> bool:
        """Whether the run `owner` may claim it."""
        return self.owner == owner or self.held_until <= now

    def row(self, state: str, at: datetime, reason: str | None = None) -> journal.Row:
        """The message as a row of the log."""
        fields = self._asdict()
        del fields["unconfirmed"]
        return {**fields, "kind": "message", "state": state, "at": at, "reason": reason}

    def failed(self, reason: str) -> journal.Row:
        """Its row when it was not taken: whoever comes next may try again."""
        now = datetime.now(UTC)
        return self._replace(owner=None, held_until=now).row("failed", now, reason)

    def parked(self, reason: str, pause: timedelta) -> journal.Row:
        """Its row when it was handed over often enough without an answer: nobody is to send it before the pause is over."""
        now = datetime.now(UTC)
        return self._replace(owner=None, held_until=now + pause).row("unconfirmed", now, reason)


def pending(message_rows: Iterable[journal.Row]) -> list[Pending]:
    """The messages not sent, oldest first, from message rows in order."""
    messages: dict[tuple[str, str], list[journal.Row]] = {}
    for row in message_rows:
        messages.setdefault((row["dedup_key"], row["channel"]), []).append(row)
    return [_stands(rows) for rows in messages.values() if all(row["state"] != "sent" for row in rows)]


def claim(table: DeltaTable, owner: str, now: datetime, at_least: timedelta) -> list[Pending]:
    """Make every message that may be `owner`'s its own for `at_least` or longer.

    Returns:
        All messages not sent; those with another owner, or none, must be left alone.

    Raises:
        Raced: another run claimed, or raised alerts, at the same time; nothing was claimed.
    """
    sequence = journal.next_sequence(table)
    claimed, result = [], []
    for message in pending(journal.rows(table, "message")):
        free = message.is_free(owner, now)
        if free and not (message.owner == owner and message.held_until - now >= at_least):
            message = message._replace(owner=owner, held_until=now + LEASE, sequence=sequence)
            claimed.append(message.row("claimed", now))
        result.append(message)
    if claimed:
        journal.decide(table, claimed)
    return result


def _stands(rows: list[journal.Row]) -> Pending:
    newest = rows[-1]
    return Pending(
        dedup_key=newest["dedup_key"],
        channel=newest["channel"],
        sequence=newest["sequence"],
        owner=newest["owner"],
        held_until=newest["held_until"],
        unconfirmed=sum(row["state"] == "unconfirmed" for row in rows),
    )
