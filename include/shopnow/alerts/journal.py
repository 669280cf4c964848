"""The `alerts` table: what became of every alert and of every message, only ever appended to.

`kind` "alert" rows are alerts in a new state; those announced carry the `dedup_key` of the message that says so.
`kind` "message" rows are one message on one channel: `queued` in the same commit as its alerts, then `sent`, or on the
way `claimed`, `unconfirmed`, `failed`. The newest row of an alert or a message is where it stands.

Whoever decides something (raises alerts, claims a message) commits with `sequence`, an app transaction counted up by one
from the snapshot the decision rests on: of two that decide at once, the slower gets `Raced` and looks again.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from shopnow.alerts.engine import Alert, Change, State, fingerprint
from shopnow.lake import tables
from shopnow.schemas import TIMESTAMP

TABLE = "alerts"
SCHEMA = pa.schema(
    [
        pa.field("at", TIMESTAMP, nullable=False, metadata={"comment": "when the row was written"}),
        pa.field("sequence", pa.int64(), nullable=False, metadata={"comment": "number of the decision the row belongs to"}),
        pa.field("kind", pa.string(), nullable=False, metadata={"comment": "alert or message"}),
        pa.field("state", pa.string(), nullable=False),
        pa.field("dedup_key", pa.string(), metadata={"comment": "the message; the same however often it is sent"}),
        pa.field("rule", pa.string()),
        pa.field("severity", pa.string()),
        pa.field("product_id", pa.string()),
        pa.field("product_name", pa.string()),
        pa.field("quantity", pa.int64()),
        pa.field("since", TIMESTAMP, metadata={"comment": "since when the alert has been in this state, event time"}),
        pa.field("title", pa.string()),
        pa.field("todo", pa.string()),
        pa.field("stock_version", pa.int64(), metadata={"comment": "version of kpi/stock_position the alert rests on"}),
        pa.field("channel", pa.string()),
        pa.field("owner", pa.string(), metadata={"comment": "the run that alone may send the message, until held_until"}),
        pa.field("held_until", TIMESTAMP),
        pa.field("reason", pa.string(), metadata={"comment": "why the message is not sent yet"}),
    ]
)

_APP = "watch_stock"

Row = dict[str, Any]


class Raced(Exception):
    """Another run decided first; read again."""


def open_journal(lake: str) -> DeltaTable:
    """The table as it stands, created empty if it is not there."""
    return tables.ensure(lake, TABLE, SCHEMA)


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
        write_deltalake(table, pa.Table.from_pylist(list(rows), SCHEMA), mode="append", commit_properties=properties)
    except CommitFailedError:
        table.update_incremental()
        if next_sequence(table) == sequence:
            raise  # nobody was faster: something else is wrong, and looking again would not help
        raise Raced from None


def note(lake: str, rows: Sequence[Row]) -> None:
    """Append rows that only report what has happened."""
    write_deltalake(open_journal(lake), pa.Table.from_pylist(list(rows), SCHEMA), mode="append")


def rows(table: DeltaTable, kind: Literal["alert", "message"]) -> list[Row]:
    """Every row of the kind, oldest first."""
    found = tables.read(table, predicate=f"kind = '{kind}'").to_pylist()
    return sorted(found, key=lambda row: (row["sequence"], row["at"]))


def states(alert_rows: Iterable[Row]) -> dict[str, State]:
    """Where each alert stands, by fingerprint, from alert rows in order."""
    return {fingerprint(row["rule"], row["product_id"]): State(row["state"]) for row in alert_rows}


def alert_row(change: Change, sequence: int, at: datetime, dedup_key: str, stock_version: int | None) -> Row:
    fields = change.alert._asdict()
    return {
        **fields,
        "kind": "alert",
        "sequence": sequence,
        "at": at,
        "stock_version": stock_version,
        "dedup_key": dedup_key if change.announced else None,
    }


def announced(alert_rows: Iterable[Row]) -> dict[str, tuple[Alert, ...]]:
    """The alerts each message announces, by dedup key."""
    messages: dict[str, tuple[Alert, ...]] = {}
    for row in alert_rows:
        if key := row["dedup_key"]:
            alert = Alert(**{name: row[name] for name in Alert._fields if name != "state"}, state=State(row["state"]))
            messages[key] = (*messages.get(key, ()), alert)
    return messages
