"""The `alerts` table: every change of an alert, every silence and every message, as rows that are appended.

`retention` deletes old rows on which nothing rests any more.

Rows of `kind` "alert" are alerts in a new state, or announced again in the same one; announced ones carry the
`dedup_key` of their message. Rows of `kind` "silence" suppress notifications for a target until a time; the
newest of a target counts. Rows of `kind` "message" are one message on one channel: `queued` in the same
commit as its alerts, then `sent`, possibly after `claimed`, `unconfirmed` or `failed`, or given up as `dead`.
The newest row of an alert or a message is its state. Rows of `kind` "proposal" record that a restock proposal
was opened or closed (`proposals`).

Every decision (to raise alerts, acknowledge, silence, claim a message) commits with optimistic concurrency:
the app transaction `sequence` is one more than in the snapshot that the decision rests on, so of two
concurrent decisions the slower gets `CommitConflict` and retries.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError

from shopnow.alerts.model import Alert, AlertStatus, Change, Silence, State
from shopnow.lake.delta import tables
from shopnow.lake.delta.conflicts import CommitConflict
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
            metadata={"comment": "number of the decision that the row belongs to"},
        ),
        pa.field(
            "kind", pa.string(), nullable=False, metadata={"comment": "alert, silence, message, proposal"}
        ),
        pa.field("state", pa.string(), nullable=False),
        pa.field(
            "dedup_key",
            pa.string(),
            metadata={"comment": "id of the message, the same on every attempt to send it"},
        ),
        pa.field(
            "fingerprint",
            pa.string(),
            metadata={"comment": "rule and subject: stable identity of the alert"},
        ),
        pa.field("rule", pa.string()),
        pa.field("severity", pa.string()),
        pa.field("owner", pa.string(), metadata={"comment": "team responsible for the alert"}),
        pa.field("channels", pa.list_(pa.string()), metadata={"comment": "channels that notify of it"}),
        pa.field("about", pa.string(), metadata={"comment": "kind of the subject, such as product"}),
        pa.field("subject", pa.string(), metadata={"comment": "id of the subject, such as a product's id"}),
        pa.field("subject_name", pa.string()),
        pa.field("value", pa.float64(), metadata={"comment": "value of the rule's metric"}),
        pa.field("facts", pa.string(), metadata={"comment": "the value in words"}),
        pa.field(
            "since",
            TIMESTAMP,
            metadata={"comment": "start of the current state, event time"},
        ),
        pa.field("title", pa.string()),
        pa.field("todo", pa.string()),
        pa.field("firing", pa.int64(), metadata={"comment": "number of times the alert has fired"}),
        pa.field(
            "thread", pa.string(), metadata={"comment": "dedup key of the first message about this firing"}
        ),
        pa.field("target", pa.string(), metadata={"comment": "silenced rule or fingerprint"}),
        pa.field("until", TIMESTAMP, metadata={"comment": "end of the silence"}),
        pa.field("by", pa.string(), metadata={"comment": "person who acknowledged or silenced"}),
        pa.field("channel", pa.string()),
        pa.field(
            "held_by",
            pa.string(),
            metadata={"comment": "run that holds the lease on the message until held_until"},
        ),
        pa.field("held_until", TIMESTAMP),
        pa.field("attempts", pa.int64(), metadata={"comment": "number of attempts to send the message"}),
        pa.field(
            "reference",
            pa.string(),
            metadata={"comment": "the channel's id of the message: Slack's channel and ts"},
        ),
        pa.field(
            "reason",
            pa.string(),
            metadata={"comment": "why it was acknowledged, silenced or closed, or is not sent"},
        ),
    ]
)

_APP_ID = "watch_stock"

Row = dict[str, Any]
Kind = Literal["alert", "silence", "message", "proposal"]


def open_table(lake: str) -> DeltaTable:
    """Open the latest snapshot; creates the table if it does not exist."""
    return Table(lake, TABLE).ensure(SCHEMA)


def next_sequence(table: DeltaTable) -> int:
    """Return the sequence number of a decision that rests on this snapshot."""
    return (table.transaction_version(_APP_ID) or 0) + 1


def commit_decision(
    table: DeltaTable, rows: Sequence[Row], mode: Literal["append", "overwrite"] = "append"
) -> None:
    """Commit the rows of a decision that rests on the snapshot `table`.

    Args:
        rows: new rows, all with `next_sequence(table)`; or all rows of the table, to overwrite it.

    Raises:
        CommitConflict: another decision was committed since the snapshot; nothing was written.
    """
    sequence = next_sequence(table)
    properties = CommitProperties(app_transactions=[Transaction(_APP_ID, sequence)])
    try:
        tables.write(table, pa.Table.from_pylist(list(rows), SCHEMA), mode=mode, commit_properties=properties)
    except CommitFailedError:
        table.update_incremental()
        if next_sequence(table) == sequence:
            raise  # no other decision was committed, so a retry would fail again
        raise CommitConflict from None


def append(lake: str, rows: Sequence[Row]) -> None:
    """Append rows that report an outcome and rest on no snapshot."""
    tables.write(open_table(lake), pa.Table.from_pylist(list(rows), SCHEMA))


def read_rows(table: DeltaTable, *kinds: Kind) -> list[Row]:
    """Read all rows of these kinds, oldest first."""
    kind_list = ", ".join(f"'{kind}'" for kind in kinds)
    unordered = tables.read(table, predicate=f"kind in ({kind_list})").to_pylist()
    return sorted(unordered, key=lambda row: (row["sequence"], row["at"]))


def latest_statuses(rows: Iterable[Row]) -> dict[str, AlertStatus]:
    """Return the latest status of each alert by fingerprint, from rows in order."""
    statuses: dict[str, AlertStatus] = {}
    for row in rows:
        if row["kind"] == "alert":
            update_status(statuses, _alert(row), row["at"] if row["dedup_key"] else None)
    return statuses


def update_status(statuses: dict[str, AlertStatus], alert: Alert, notified_at: datetime | None) -> None:
    """Update the statuses with a changed alert; `notified_at` is None if the change was not announced."""
    previous = statuses.get(alert.fingerprint)
    if notified_at is None and previous and previous.alert.firing == alert.firing:
        notified_at = previous.notified_at
    statuses[alert.fingerprint] = AlertStatus(alert, notified_at)


def silences(rows: Iterable[Row]) -> list[Silence]:
    """Return the newest silence of each target, expired ones included, from rows in order."""
    newest = {row["target"]: row for row in rows if row["kind"] == "silence"}
    return [Silence(row["target"], row["until"], row["reason"], row["by"]) for row in newest.values()]


def row_of_change(change: Change, sequence: int, at: datetime, dedup_key: str | None) -> Row:
    """Return the row of a change; the first message about a firing starts its thread."""
    key = dedup_key if change.announced else None
    alert = change.alert._replace(thread=change.alert.thread or key)
    return {**alert_columns(alert), "sequence": sequence, "at": at, "dedup_key": key}


def alert_columns(alert: Alert) -> Row:
    """Return the columns that describe the alert itself."""
    return {
        **alert._asdict(),
        "kind": "alert",
        "channels": list(alert.channels),
        "fingerprint": alert.fingerprint,
    }


def announced_alerts(rows: Iterable[Row]) -> dict[str, tuple[Alert, ...]]:
    """Return the alerts that each message announces, by dedup key."""
    messages: dict[str, tuple[Alert, ...]] = {}
    for row in rows:
        if row["kind"] == "alert" and (key := row["dedup_key"]):
            messages[key] = (*messages.get(key, ()), _alert(row))
    return messages


def _alert(row: Mapping[str, Any]) -> Alert:
    fields = {name: row[name] for name in Alert._fields}
    return Alert(**{**fields, "state": State(row["state"]), "channels": tuple(row["channels"])})
