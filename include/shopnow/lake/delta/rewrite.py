"""Changing rows of a table in one commit: the files that hold them are replaced by files that hold the changed rows.

The commit removes exactly the files it read and adds their successors. If another commit came first it is tried again: as it
is after an append of other files, and worked out anew if one of its files was replaced, by compaction or another change. So
each change is made once, and nothing else is lost.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import PurePosixPath
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction
from pyarrow.fs import PyFileSystem

from shopnow.errors import UserError
from shopnow.failpoints import failpoint
from shopnow.lake.delta import file_swap, raw_encoding
from shopnow.lake.delta.file_swap import DataFile, OvertakenError
from shopnow.lake.delta.hdfs import Store

ATTEMPTS = 10

Change = Callable[[pa.Table], pa.Table]
"""Takes rows, gives as many in the same order: changed where something is to be done, else as they are."""


class Changed(NamedTuple):
    """Rows that a change made different: as they were and, in the same order, as they are."""

    before: pa.Table
    after: pa.Table


def rewrite(
    table: DeltaTable,
    change: Change,
    describe: Callable[[Changed], dict[str, str]],
    *,
    pruning: str | None = None,
    statistics: Sequence[str] = raw_encoding.STATISTICS,
    point: str = "rewrite",
) -> Changed:
    """Apply a change to the table's rows in one commit; none if nothing is to be done.

    Args:
        change: gets the rows of one file at a time, without partition columns. Called again when a try was overtaken.
        describe: gives the commit's metadata from the rows that changed.
        pruning: SQL condition that no row of a file that may be passed over meets, told by file statistics alone.
        statistics: columns to keep statistics of.
        point: kill points are this with `:write`, `:commit` and `:committed`.

    Raises:
        UserError: others changed the same files time and again.
        deltalake.exceptions.CommitFailedError: the lake is out of reach.
    """
    for attempt in range(ATTEMPTS):
        plan = _plan(table, change, pruning, statistics, point)
        if not plan.removed:
            return plan.changed
        failpoint(f"{point}:commit")
        try:
            file_swap.replace(
                table, plan.removed, plan.added, data_change=True, metadata=describe(plan.changed)
            )
            break
        except OvertakenError:
            if attempt + 1 == ATTEMPTS:
                raise UserError(
                    f"{table.table_uri}: others changed the files that were to be rewritten, {ATTEMPTS} times; run again"
                ) from None
    failpoint(f"{point}:committed")
    return plan.changed


def preview(table: DeltaTable, change: Change, pruning: str | None = None) -> Changed:
    """What `rewrite` would change; nothing is written."""
    found = _nothing(table)
    for file in _files(table, pruning):
        rows = _read(table, file.path)
        found = _and(found, rows, change(rows))
    return found


class _Plan(NamedTuple):
    """The files that go, those that come in their place, written but not committed, and the rows that change by it."""

    removed: list[DataFile]
    added: list[AddAction]
    changed: Changed


def _plan(
    table: DeltaTable, change: Change, pruning: str | None, statistics: Sequence[str], point: str
) -> _Plan:
    """Works out the change on what the table holds, and writes the new files."""
    plan = _Plan([], [], _nothing(table))
    for file in _files(table, pruning):
        rows = _read(table, file.path)
        result = change(rows)
        changed = _and(plan.changed, rows, result)
        if changed is not plan.changed:
            failpoint(f"{point}:write")
            plan = _Plan(
                [*plan.removed, file], [*plan.added, _successor(table, file, result, statistics)], changed
            )
    return plan


def _files(table: DeltaTable, pruning: str | None) -> list[DataFile]:
    """The files that may hold what is looked for."""
    root = table.table_uri.rstrip("/") + "/"
    wanted = {uri.removeprefix(root) for uri in table.file_uris(file_pruning_predicate=pruning)}
    found = [file for file in file_swap.data_files(table) if file.path in wanted]
    if len(found) != len(wanted):
        raise ValueError(f"{table.table_uri}: {len(wanted) - len(found)} files are not where its log says")
    return found


def _schema(table: DeltaTable) -> pa.Schema:
    """Of a file of the table: partition columns are in its path."""
    columns = table.metadata().partition_columns
    return pa.schema([field for field in pa.schema(table.schema().to_arrow()) if field.name not in columns])


def _read(table: DeltaTable, path: str) -> pa.Table:
    with PyFileSystem(DeltaStorageHandler(table.table_uri)).open_input_file(path) as source:
        data = source.read()
    # As Spark writes times: 96 bits, which as nanoseconds do not reach the year 2263.
    rows = pq.read_table(BytesIO(data), coerce_int96_timestamp_unit="us")
    schema = _schema(table)
    columns = [
        rows[field.name] if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.table(columns, names=schema.names).cast(schema)


def _successor(table: DeltaTable, file: DataFile, rows: pa.Table, statistics: Sequence[str]) -> AddAction:
    """Writes the rows as a new file beside the old one; gives what puts it in its place."""
    data = raw_encoding.parquet(rows, statistics)
    path = str(PurePosixPath(file.path).parent / f"part-{uuid.uuid4()}.zstd.parquet")
    Store(table.table_uri).put(path, data)
    return AddAction(
        path,
        len(data),
        dict(file.partition),
        int(time.time() * 1000),
        True,
        raw_encoding.statistics(rows, statistics),
    )


def _nothing(table: DeltaTable) -> Changed:
    return Changed(_schema(table).empty_table(), _schema(table).empty_table())


def _and(changed: Changed, before: pa.Table, after: pa.Table) -> Changed:
    """What changed so far, and what of these rows did; the very same if nothing."""
    different = _different(before, after)
    if not pc.any(different).as_py():
        return changed
    return Changed(
        pa.concat_tables([changed.before, before.filter(different)]),
        pa.concat_tables([changed.after, after.filter(different)]),
    )


def _different(before: pa.Table, after: pa.Table) -> pa.ChunkedArray:
    """For each row whether any column differs; columns of lists and structs cannot be changed, and are not looked at."""
    found = pa.chunked_array([pa.repeat(False, len(before))])
    for name in before.column_names:
        one, other = before[name], after[name]
        if one is other or pa.types.is_nested(one.type):
            continue
        both_null = pc.and_(pc.is_null(one), pc.is_null(other))
        same = pc.or_(both_null, pc.fill_null(pc.equal(one, other), False))
        found = pc.or_(found, pc.invert(same))
    return found
