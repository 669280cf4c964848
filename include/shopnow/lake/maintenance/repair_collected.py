"""Repair tables that are collected from commits, and remove damaged files of tables with no other source."""

from typing import NamedTuple

import msgspec
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction

from shopnow.errors import UserError
from shopnow.failpoints import failpoint
from shopnow.lake.delta import commit_metadata, file_swap, integrity, tables
from shopnow.lake.delta.commit_metadata import CommitTable
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest.data_loss import Acknowledgement


class Removed(NamedTuple):
    """Result for a table without another source: rows in the damaged files, and whether they were removed."""

    rows: int
    is_committed: bool


def collect_again(lake: str, commit_table: CommitTable, damaged: set[str]) -> int:
    """Replace a collected table by its intact rows and those that the logs of its sources still have.

    Returns:
        The number of rows that were restored.

    Raises:
        UserError: the logs no longer have all rows of the damaged files.
    """
    snapshot = Table(lake, commit_table.table).open()
    schema = commit_table.schema
    kept = _intact_rows(snapshot, damaged, schema)
    parts, progress = [kept], []
    for name in commit_table.sources:
        source, position = Table(lake, name), snapshot.transaction_version(name)
        if position is None or position < 0 or not source.exists():
            continue
        progress.append(Transaction(name, position))
        present = {row["version"] for row in kept.to_pylist() if row["source"] == name}
        rows = commit_metadata.rows_of_commits(source, commit_table, position)
        parts.append(pa.Table.from_pylist([row for row in rows if row["version"] not in present], schema))
    restored = pa.concat_tables(parts)
    missing = sum(file.rows for file in file_swap.data_files(snapshot)) - restored.num_rows
    if missing > 0:
        raise UserError(
            f"{commit_table.table}: {missing:,} rows of damaged files are beyond repair, as the logs of the "
            "tables have been cleaned up; restore the table from a backup"
        )
    failpoint("repair:collected")
    tables.write(
        snapshot,
        restored,
        mode="overwrite",
        commit_properties=CommitProperties(app_transactions=progress, max_commit_retries=0),
    )
    return restored.num_rows - kept.num_rows


def check_collectable(lake: str, commit_table: CommitTable) -> None:
    """Check that a table can be collected again from the first commits of its sources.

    Raises:
        UserError: a log has been cleaned up.
    """
    for name in commit_table.sources:
        source = Table(lake, name)
        if source.exists() and next(iter(source.commits(0)), None) is None:
            raise UserError(
                f"{commit_table.table}: a commit is damaged, and the log of {name} no longer has all commits "
                "to collect from: beyond repair. Restore the table from a backup"
            )


def remove_files(
    table: Table, damaged: set[str], acknowledgement: Acknowledgement | None, *, dry_run: bool
) -> Removed:
    """Remove damaged files of a table whose rows exist nowhere else, which takes an acknowledgement."""
    snapshot = table.open()
    files = [file for file in file_swap.data_files(snapshot) if file.path in damaged]
    rows = sum(file.rows for file in files)
    if dry_run or acknowledgement is None or not files:
        return Removed(rows, False)
    note = {"rows": rows, "reason": acknowledgement.reason, "by": acknowledgement.by}
    failpoint("repair:remove")
    file_swap.replace(
        snapshot, files, [], data_change=True, metadata={"loss": msgspec.json.encode(note).decode()}
    )
    return Removed(rows, True)


def _intact_rows(snapshot: DeltaTable, damaged: set[str], schema: pa.Schema) -> pa.Table:
    parts = [schema.empty_table()]
    for file in file_swap.data_files(snapshot):
        if file.path not in damaged:
            rows = pa.Table.from_batches(integrity.batches(file_swap.read_bytes(snapshot, file.path)))
            # The partition column is in the path, not in the file.
            dates = pa.repeat(pa.scalar(file.partition["date"]).cast(pa.date32()), rows.num_rows)
            columns = {name: rows[name] for name in rows.column_names} | {"date": dates}
            parts.append(
                pa.table(
                    [columns.get(field.name, pa.nulls(len(rows), field.type)) for field in schema],
                    names=schema.names,
                ).cast(schema)
            )
    return pa.concat_tables(parts)
