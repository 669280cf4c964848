"""Tables collected from the metadata of commits: receipts, losses, amendments and restatements.

Facts about rows are written into the metadata of the commit that writes the rows, so the two never disagree.
But a table's log is cleaned up after some time. Therefore the metadata is collected, exactly once, into a
table that is kept. Its commits carry one app transaction per source table: the last version that is
collected.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError

from shopnow.errors import UserError
from shopnow.failpoints import failpoint
from shopnow.lake.delta import log, tables
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.delta.tables import Table
from shopnow.schemas import TIMESTAMP

ORIGIN = pa.schema(
    [
        pa.field("source", pa.string(), metadata={"comment": "the table of the commit"}),
        pa.field("version", pa.int64(), metadata={"comment": "that table's version after the commit"}),
        pa.field("committed_at", TIMESTAMP),
        pa.field("date", pa.date32(), metadata={"comment": "of committed_at"}),
    ]
)
"""Columns of every collected table after its own; it is partitioned by `date`."""

# Versions without metadata are recorded as collected only after this many, or when the first of them is this
# old, to save commits. The log of a table with few commits is cleaned up before their number is reached.
_RECORD_PROGRESS_EVERY = 50
_RECORD_PROGRESS_AFTER = timedelta(days=1)

Row = Mapping[str, Any]


class CommitTable(NamedTuple):
    """A table collected from the metadata that commits of other tables hold under one key."""

    table: str
    key: str
    columns: pa.Schema
    """The table's own columns, before `ORIGIN`."""
    sources: tuple[str, ...]
    """Names of the tables whose commits hold the metadata."""
    rows: Callable[[Any], Iterable[Row]]
    """Converts the decoded JSON of one commit to rows of `columns`."""

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([*self.columns, *ORIGIN])


def read(source: Table, commit_table: CommitTable, upto: int | None = None) -> pa.Table:
    """Read the metadata of a source table's commits, collected or not, oldest first.

    Args:
        upto: last version of the source to read; by default the latest.

    Returns:
        Rows of `commit_table.schema`.

    Raises:
        UserError: the log was cleaned up before the metadata was collected.
    """
    if not source.exists():
        return commit_table.schema.empty_table()
    last = source.version() if upto is None else upto
    collected = Table(source.lake, commit_table.table).open_if_exists()
    position = -1 if collected is None else _position(collected, source.name)
    new_rows = _new_rows(source, commit_table, position + 1, last) if position < last else []
    new = pa.Table.from_pylist(new_rows, commit_table.schema)
    if collected is None:
        return new
    old = tables.read(
        collected, commit_table.schema.names, f"source = '{source.name}' AND version <= {last}"
    ).cast(commit_table.schema)
    return pa.concat_tables([old.sort_by("version"), new])


def collect(lake: str, commit_table: CommitTable) -> int:
    """Append the metadata of commits since the last collection. Idempotent and safe to call concurrently.

    Returns:
        The number of rows added.

    Raises:
        UserError: as for `read`.
    """
    snapshot = Table(lake, commit_table.table).ensure(commit_table.schema, ["date"])
    # After a conflict another run has collected some of the same commits: only the rest is left.
    return retry_on_conflict(
        partial(_collect, lake, commit_table, snapshot),
        on=CommitFailedError,
        before_retry=snapshot.update_incremental,
    )


def _collect(lake: str, commit_table: CommitTable, snapshot: DeltaTable) -> int:
    rows: list[Row] = []
    progress: list[Transaction] = []
    for name in commit_table.sources:
        source = Table(lake, name)
        if not source.exists():
            continue
        position, last = _position(snapshot, name), source.version()
        if position >= last:
            continue
        new_rows = _new_rows(source, commit_table, position + 1, last)
        is_due = (
            last - position >= _RECORD_PROGRESS_EVERY or _age(source, position + 1) > _RECORD_PROGRESS_AFTER
        )
        if new_rows or is_due:
            rows += new_rows
            progress.append(Transaction(name, last))
    if not progress:
        return 0
    failpoint(f"collect:{commit_table.table}")
    tables.write(
        snapshot,
        pa.Table.from_pylist(rows, commit_table.schema),
        commit_properties=CommitProperties(app_transactions=progress, max_commit_retries=0),
    )
    return len(rows)


def _new_rows(source: Table, commit_table: CommitTable, first: int, last: int) -> list[Row]:
    rows: list[Row] = []
    next_version = first
    for version, actions in source.commits(last, first):
        if version != next_version:
            break
        next_version += 1
        rows += _rows_of_commit(source, commit_table, version, actions)
    if next_version <= last:
        raise UserError(
            f"the log of {source.name} no longer has version {next_version}, which was not yet collected "
            f"into {commit_table.table}: run land_events and audit_lake more often than the log is cleaned "
            "up (30 days)"
        )
    return rows


def rows_of_commits(source: Table, commit_table: CommitTable, last: int) -> list[Row]:
    """Return the metadata of the source's commits up to `last` that its log still has."""
    return [
        row
        for version, actions in source.commits(last)
        for row in _rows_of_commit(source, commit_table, version, actions)
    ]


def _age(source: Table, version: int) -> timedelta:
    """Return how long ago a version that the log has was committed."""
    _, actions = next(source.commits(version, version))
    return datetime.now(UTC) - datetime.fromtimestamp(log.info(actions).get("timestamp", 0) / 1000, UTC)


def _rows_of_commit(
    source: Table, commit_table: CommitTable, version: int, actions: log.Actions
) -> list[Row]:
    commit = log.info(actions)
    if commit_table.key not in commit:
        return []
    at = datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
    origin = {"source": source.name, "version": version, "committed_at": at, "date": at.date()}
    return [{**row, **origin} for row in commit_table.rows(msgspec.json.decode(commit[commit_table.key]))]


def _position(collected: DeltaTable, source: str) -> int:
    """Return the last version of the source that is collected; -1 for none."""
    version = collected.transaction_version(source)
    return -1 if version is None else version
