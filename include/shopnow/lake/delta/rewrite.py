"""Change rows of a table in one commit: files with such rows are replaced by files with the changed rows.

The commit removes exactly the files that were read and adds their replacements. After a conflict with an
append the same commit is retried; if one of its files was removed, by compaction or another change, the
rewrite is planned again on the newer snapshot. So each change is made once and no other change is lost.
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
from deltalake.transaction import AddAction

from shopnow.errors import UserError
from shopnow.failpoints import failpoint
from shopnow.lake.delta import file_swap, parquet
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.delta.file_swap import DataFile
from shopnow.lake.delta.hdfs import Store

ATTEMPTS = 10

RowTransform = Callable[[pa.Table], pa.Table]
"""Maps rows to the same number of rows in the same order, changed or not."""


class ChangedRows(NamedTuple):
    """The rows that a transform changed, before and after, in the same order."""

    before: pa.Table
    after: pa.Table


def rewrite(
    snapshot: DeltaTable,
    change: RowTransform,
    describe: Callable[[ChangedRows], dict[str, str]],
    *,
    pruning: str | None = None,
    statistics: Sequence[str] = parquet.STATISTICS,
    point: str = "rewrite",
) -> ChangedRows:
    """Apply a transform to the table's rows in one commit; commit nothing if no row changes.

    Args:
        change: takes the rows of one file at a time, without partition columns; repeated after a conflict.
        describe: returns the commit's metadata for the changed rows.
        pruning: SQL condition on file statistics; files that cannot satisfy it are skipped.
        statistics: columns to write statistics of.
        point: prefix of the failpoints `:write`, `:commit` and `:committed`.

    Raises:
        UserError: every attempt met a newer commit that changed the same files.
        deltalake.exceptions.CommitFailedError: the lake is unreachable.
    """

    def attempt() -> _Plan:
        plan = _plan(snapshot, change, pruning, statistics, point)
        if plan.removed:
            failpoint(f"{point}:commit")
            file_swap.replace(
                snapshot, plan.removed, plan.added, data_change=True, metadata=describe(plan.changed)
            )
        return plan

    plan = retry_on_conflict(
        attempt,
        attempts=ATTEMPTS,
        exhausted=UserError(
            f"{snapshot.table_uri}: others changed the files that were to be rewritten, {ATTEMPTS} times; "
            "run again"
        ),
    )
    if plan.removed:
        failpoint(f"{point}:committed")
    return plan.changed


def preview(snapshot: DeltaTable, change: RowTransform, pruning: str | None = None) -> ChangedRows:
    """Return the rows that `rewrite` would change, without writing anything."""
    changed = _no_rows(snapshot)
    for file in _files(snapshot, pruning):
        rows = _read(snapshot, file.path)
        changed = _add_changes(changed, rows, change(rows))
    return changed


class _Plan(NamedTuple):
    """Files to remove, their replacements, which are written but not committed, and the rows that change."""

    removed: list[DataFile]
    added: list[AddAction]
    changed: ChangedRows


def _plan(
    snapshot: DeltaTable, change: RowTransform, pruning: str | None, statistics: Sequence[str], point: str
) -> _Plan:
    """Apply the transform to the snapshot's rows and write the new files."""
    plan = _Plan([], [], _no_rows(snapshot))
    for file in _files(snapshot, pruning):
        rows = _read(snapshot, file.path)
        new_rows = change(rows)
        changed = _add_changes(plan.changed, rows, new_rows)
        if changed is not plan.changed:
            failpoint(f"{point}:write")
            replacement = _write(snapshot, file, new_rows, statistics)
            plan = _Plan([*plan.removed, file], [*plan.added, replacement], changed)
    return plan


def _files(snapshot: DeltaTable, pruning: str | None) -> list[DataFile]:
    """Return the files that may hold rows which satisfy the pruning condition."""
    root = snapshot.table_uri.rstrip("/") + "/"
    paths = {uri.removeprefix(root) for uri in snapshot.file_uris(file_pruning_predicate=pruning)}
    files = [file for file in file_swap.data_files(snapshot) if file.path in paths]
    if len(files) != len(paths):
        raise ValueError(
            f"{snapshot.table_uri}: {len(paths) - len(files)} files are outside the table's folder"
        )
    return files


def _schema(snapshot: DeltaTable) -> pa.Schema:
    """Return the schema of a data file, which has no partition columns: their values are in its path."""
    columns = snapshot.metadata().partition_columns
    return pa.schema(
        [field for field in pa.schema(snapshot.schema().to_arrow()) if field.name not in columns]
    )


def _read(snapshot: DeltaTable, path: str) -> pa.Table:
    data = file_swap.read_bytes(snapshot, path)
    # Spark writes timestamps as INT96, whose nanoseconds as int64 do not reach the year 2263.
    rows = pq.read_table(BytesIO(data), coerce_int96_timestamp_unit="us")
    schema = _schema(snapshot)
    columns = [
        rows[field.name] if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.table(columns, names=schema.names).cast(schema)


def _write(snapshot: DeltaTable, file: DataFile, rows: pa.Table, statistics: Sequence[str]) -> AddAction:
    """Write the rows as a new file in the folder of the old one, and return the action that adds it."""
    data = parquet.encode(rows, statistics)
    path = str(PurePosixPath(file.path).parent / f"part-{uuid.uuid4()}.zstd.parquet")
    Store(snapshot.table_uri).put(path, data)
    return AddAction(
        path,
        len(data),
        dict(file.partition),
        int(time.time() * 1000),
        True,
        parquet.statistics(rows, statistics),
    )


def _no_rows(snapshot: DeltaTable) -> ChangedRows:
    return ChangedRows(_schema(snapshot).empty_table(), _schema(snapshot).empty_table())


def _add_changes(changed: ChangedRows, before: pa.Table, after: pa.Table) -> ChangedRows:
    """Add the rows that differ between `before` and `after`; return the same object if none does."""
    mask = _differing_rows(before, after)
    if not pc.any(mask).as_py():
        return changed
    return ChangedRows(
        pa.concat_tables([changed.before, before.filter(mask)]),
        pa.concat_tables([changed.after, after.filter(mask)]),
    )


def _differing_rows(before: pa.Table, after: pa.Table) -> pa.ChunkedArray:
    """Return a mask of the rows in which a column differs; nested columns cannot change and are skipped."""
    mask = pa.chunked_array([pa.repeat(False, len(before))])
    for name in before.column_names:
        old, new = before[name], after[name]
        if old is new or pa.types.is_nested(old.type):
            continue
        both_null = pc.and_(pc.is_null(old), pc.is_null(new))
        is_same = pc.or_(both_null, pc.fill_null(pc.equal(old, new), False))
        mask = pc.or_(mask, pc.invert(is_same))
    return mask
