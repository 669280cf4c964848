"""The `alerts` table: what became of every alert, every silence and every message, only ever appended to.

`kind` "alert" rows are alerts in a new state, or told again in the same; those announced carry the `dedup_key` of the message
that says so. `kind` "silence" rows say of what nothing is told until when; the newest of a target counts. `kind` "message"
rows are one message on one channel: `queued` in the same commit as its alerts, then `sent`, or on the way `claimed`,
`unconfirmed`, `failed`, or given up as `dead`. The newest row of an alert or a message is where it stands.

Whoever decides something (raises alerts, acknowledges one, silences, claims a message) commits with `sequence`, an app
transaction counted up by one from the snapshot the decision rests on: of two that decide at once, the slower gets `Raced`
and looks again.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from shopnow.alerts.engine import Alert, AlertStatus, Change, Silence, State
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.schemas import TIMESTAMP

TABLE = "alerts"
SCHEMA = pa.schema(
    [
        pa.field("at", TIMESTAMP, nullable=False, metadata={"comment": "when the row was written"}),
        pa.field(
            "sequence",
            pa.int64(),
            nullable=False,
            metadata={"comment": "number of the decision the row belongs to"},
        ),
        pa.field("kind", pa.string(), nullable=False, metadata={"comment": "alert, silence or message"}),
        pa.field("state", pa.string(), nullable=False),
        pa.field(
            "dedup_key", pa.string(), metadata={"comment": "the message; the same however often it is sent"}
        ),
        pa.field(
            "fingerprint",
            pa.string(),
            metadata={"comment": "rule and subject: what makes it the same alert the next time"},
        ),
        pa.field("rule", pa.string()),
        pa.field("severity", pa.string()),
        pa.field("owner", pa.string(), metadata={"comment": "who takes care of such alerts"}),
        pa.field("channels", pa.list_(pa.string()), metadata={"comment": "where it is told"}),
        pa.field(
            "about", pa.string(), metadata={"comment": "the kind of thing the subject is, such as product"}
        ),
        pa.field("subject", pa.string(), metadata={"comment": "what it is about, such as a product's id"}),
        pa.field("subject_name", pa.string()),
        pa.field("value", pa.float64(), metadata={"comment": "of the figure the rule looks at"}),
        pa.field("facts", pa.string(), metadata={"comment": "the value in words"}),
        pa.field(
            "since",
            TIMESTAMP,
            metadata={"comment": "since when the alert has been in this state, event time"},
        ),
        pa.field("title", pa.string()),
        pa.field("todo", pa.string()),
        pa.field("firing", pa.int64(), metadata={"comment": "the how-manieth time the alert fires"}),
        pa.field(
            "thread", pa.string(), metadata={"comment": "dedup key of the first message about this firing"}
        ),
        pa.field("target", pa.string(), metadata={"comment": "the rule or fingerprint that is silenced"}),
        pa.field("until", TIMESTAMP, metadata={"comment": "when the silence ends"}),
        pa.field("by", pa.string(), metadata={"comment": "who acknowledged or silenced"}),
        pa.field("channel", pa.string()),
        pa.field(
            "held_by",
            pa.string(),
            metadata={"comment": "the run that alone may send the message, until held_until"},
        ),
        pa.field("held_until", TIMESTAMP),
        pa.field(
            "attempts", pa.int64(), metadata={"comment": "how often the message was handed to the channel"}
        ),
        pa.field(
            "reference",
            pa.string(),
            metadata={"comment": "what the channel calls the message: Slack's channel and ts"},
        ),
        pa.field(
            "reason",
            pa.string(),
            metadata={"comment": "why it is acknowledged or silenced, or the message not sent yet"},
        ),
    ]
)

_APP = "watch_stock"

Row = dict[str, Any]
Kind = Literal["alert", "silence", "message"]


class ConcurrentWrite(Exception):
    """Another run decided first; read again."""


def open_journal(lake: str) -> DeltaTable:
    """The table as it stands, created empty if it is not there."""
    return Table(lake, TABLE).ensure(SCHEMA)


def next_sequence(table: DeltaTable) -> int:
    """The number of the decision that follows this snapshot."""
    return (table.transaction_version(_APP) or 0) + 1


def decide(table: DeltaTable, rows: Sequence[Row]) -> None:
    """Commit rows that rest on the snapshot `table`, all of `next_sequence(table)`.

    Raises:
        Raced: another decision came in between; nothing was written.
    """
    sequence = next_sequence(table)
    properties = CommitProperties(app_transactions=[Transaction(_APP, sequence)])
    try:
        write_deltalake(
            table, pa.Table.from_pylist(list(rows), SCHEMA), mode="append", commit_properties=properties
        )
    except CommitFailedError:
        table.update_incremental()
        if next_sequence(table) == sequence:
            raise  # nobody was faster: something else is wrong, and looking again would not help
        raise ConcurrentWrite from None


def note(lake: str, rows: Sequence[Row]) -> None:
    """Append rows that only report what has happened."""
    write_deltalake(open_journal(lake), pa.Table.from_pylist(list(rows), SCHEMA), mode="append")


def rows(table: DeltaTable, *kinds: Kind) -> list[Row]:
    """Every row of these kinds, oldest first."""
    among = ", ".join(f"'{kind}'" for kind in kinds)
    found = tables.read(table, predicate=f"kind in ({among})").to_pylist()
    return sorted(found, key=lambda row: (row["sequence"], row["at"]))


def standings(rows: Iterable[Row]) -> dict[str, AlertStatus]:
    """Where each alert stands, by fingerprint, from rows in order."""
    found: dict[str, AlertStatus] = {}
    for row in rows:
        if row["kind"] == "alert":
            follow(found, _alert(row), row["at"] if row["dedup_key"] else None)
    return found


def follow(standings: dict[str, AlertStatus], alert: Alert, told_at: datetime | None) -> None:
    """Bring the standings up to date with an alert that changed, and when that was told, if it was."""
    before = standings.get(alert.fingerprint)
    if told_at is None and before and before.alert.firing == alert.firing:
        told_at = before.told_at
    standings[alert.fingerprint] = AlertStatus(alert, told_at)


def silences(rows: Iterable[Row]) -> list[Silence]:
    """The silence of each target, from rows in order; some are over."""
    newest = {row["target"]: row for row in rows if row["kind"] == "silence"}
    return [Silence(row["target"], row["until"], row["reason"], row["by"]) for row in newest.values()]


def alert_row(change: Change, sequence: int, at: datetime, dedup_key: str | None) -> Row:
    """The row of a change; the first message about a firing is where its thread begins."""
    key = dedup_key if change.announced else None
    alert = change.alert._replace(thread=change.alert.thread or key)
    return {**row_of(alert), "sequence": sequence, "at": at, "dedup_key": key}


def row_of(alert: Alert) -> Row:
    """The alert's own columns."""
    return {
        **alert._asdict(),
        "kind": "alert",
        "channels": list(alert.channels),
        "fingerprint": alert.fingerprint,
    }


def announced(rows: Iterable[Row]) -> dict[str, tuple[Alert, ...]]:
    """The alerts each message announces, by dedup key."""
    messages: dict[str, tuple[Alert, ...]] = {}
    for row in rows:
        if row["kind"] == "alert" and (key := row["dedup_key"]):
            messages[key] = (*messages.get(key, ()), _alert(row))
    return messages


def _alert(row: Mapping[str, Any]) -> Alert:
    fields = {name: row[name] for name in Alert._fields}
    return Alert(**{**fields, "state": State(row["state"]), "channels": tuple(row["channels"])})
