"""Tables made of what commits say of themselves: receipts, losses and their like.

What must be true of rows is said in the metadata of the very commit that writes them, so the two can never disagree. But a
log is cleaned up after a while. So what commits said is collected, exactly once, into a table that stays: its own commits
carry, as application transactions, how far each source has been collected.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from shopnow.errors import UserError
from shopnow.failpoints import failpoint
from shopnow.lake.delta import log, tables
from shopnow.lake.delta.tables import Table
from shopnow.schemas import TIMESTAMP

ORIGIN = pa.schema(
    [
        pa.field("source", pa.string(), metadata={"comment": "the table whose commit said so"}),
        pa.field("version", pa.int64(), metadata={"comment": "that table's version by the commit"}),
        pa.field("committed_at", TIMESTAMP),
        pa.field("date", pa.date32(), metadata={"comment": "of committed_at"}),
    ]
)
"""Columns every such table has beside its own; it is partitioned by `date`."""

# Versions in which nothing was said are noted as read only now and then: a commit for each would be many.
_NOTE_EVERY = 50

Row = Mapping[str, Any]


class CommitTable(NamedTuple):
    """What commits of some tables say under a key of their metadata, and the table it is collected in."""

    table: str
    key: str
    columns: pa.Schema
    """The table's own columns, before `ORIGIN`."""
    sources: tuple[str, ...]
    """Names of the tables whose commits say it."""
    rows: Callable[[Any], Iterable[Row]]
    """From what was said, as JSON, to rows of `columns`."""

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([*self.columns, *ORIGIN])


def read(lake: str, statement: CommitTable, source: str, upto: int | None = None) -> pa.Table:
    """All that commits of one table said, up to a version, the oldest first; columns as in the statement's `schema`.

    Raises:
        UserError: some of it is lost: the log was cleaned up before it was collected.
    """
    if not Table(lake, source).exists():
        return statement.schema.empty_table()
    last = Table(lake, source).version() if upto is None else upto
    new = statement.schema.empty_table()
    collected = _open(lake, statement)
    position = -1 if collected is None else _position(collected, source)
    if position < last:
        new = _table(statement, _new_rows(lake, statement, source, position + 1, last))
    if collected is None:
        return new
    old = tables.read(collected, statement.schema.names, f"source = '{source}' AND version <= {last}").cast(
        statement.schema
    )
    return pa.concat_tables([old.sort_by("version"), new])


def collect(lake: str, statement: CommitTable) -> int:
    """Add to the table what commits said since it was last done; safe to repeat, and for several to do at once.

    Returns:
        How many rows were added.

    Raises:
        UserError: as for `said`.
    """
    table = Table(lake, statement.table).ensure(statement.schema, ["date"])
    while True:
        rows: list[Row] = []
        read: list[Transaction] = []
        for source in statement.sources:
            if not Table(lake, source).exists():
                continue
            position, last = _position(table, source), Table(lake, source).version()
            if position >= last:
                continue
            new = _new_rows(lake, statement, source, position + 1, last)
            if new or last - position >= _NOTE_EVERY:
                rows += new
                read.append(Transaction(source, last))
        if not read:
            return 0
        failpoint(f"collect:{statement.table}")
        try:
            write_deltalake(
                table,
                _table(statement, rows),
                mode="append",
                commit_properties=CommitProperties(app_transactions=read, max_commit_retries=0),
            )
            return len(rows)
        except CommitFailedError:
            table.update_incremental()  # someone else collected meanwhile: see what is left


def _new_rows(lake: str, statement: CommitTable, source: str, first: int, last: int) -> list[Row]:
    rows: list[Row] = []
    expected = first
    for version, actions in Table(lake, source).commits(last, first):
        if version != expected:
            break
        expected += 1
        commit = log.info(actions)
        if statement.key in commit:
            at = datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
            origin = {"source": source, "version": version, "committed_at": at, "date": at.date()}
            rows += [{**row, **origin} for row in statement.rows(json.loads(commit[statement.key]))]
    if expected <= last:
        raise UserError(
            f"the log of {source} no longer has version {expected}, which was not yet collected into {statement.table}: "
            f"run land_events and audit_lake more often than the log is cleaned up (30 days)"
        )
    return rows


def _open(lake: str, statement: CommitTable) -> DeltaTable | None:
    return Table(lake, statement.table).open_if_exists()


def _position(collected: DeltaTable, source: str) -> int:
    """The last version of the source that was collected; -1 for none."""
    version = collected.transaction_version(source)
    return -1 if version is None else version


def _table(statement: CommitTable, rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, statement.schema)
