"""Replacing files of a table by others in one commit, exactly once, whatever is committed meanwhile."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

COMMIT_ATTEMPTS = 20

Partition = Mapping[str, str | None]
"""Values of the partition columns, as the log has them."""


class DataFile(NamedTuple):
    """A file of a table: its path below the table's address, bytes, rows (0 if the log does not tell) and partition."""

    path: str
    size: int
    rows: int
    partition: Partition


class OvertakenError(Exception):
    """Another commit replaced or removed one of the files."""


def data_files(table: DeltaTable) -> list[DataFile]:
    """The files of the table as it is open."""
    columns = table.metadata().partition_columns
    return [
        DataFile(
            each["path"],
            each["size_bytes"],
            each.get("num_records") or 0,
            {
                name: None if each[f"partition.{name}"] is None else str(each[f"partition.{name}"])
                for name in columns
            },
        )
        for each in pa.table(table.get_add_actions(flatten=True)).to_pylist()
    ]


def replace(
    table: DeltaTable,
    removed: Sequence[DataFile],
    added: Sequence[AddAction],
    *,
    data_change: bool,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Remove these files from the table and add those, in one commit; files that others append meanwhile stay.

    Args:
        table: the table, at the version whose files were read.
        data_change: whether rows are changed by it, not only files.

    Raises:
        OvertakenError: one of the files is no longer there, so the others were not read whole; nothing was committed.
        deltalake.exceptions.CommitFailedError: others committed each time it was tried, or the lake is out of reach.
    """
    now = int(time.time() * 1000)
    actions = [
        *added,
        *(RemoveAction(file.path, data_change, now, file.size, dict(file.partition)) for file in removed),
    ]
    properties = CommitProperties(
        custom_metadata=dict(metadata or {}),
        # The library's own way of trying again does not see that another compaction removed the same files; ours does.
        max_commit_retries=0,
    )
    for attempt in range(COMMIT_ATTEMPTS):
        present = {file.path for file in data_files(table)}
        if added and present.issuperset(file.path for file in added):
            return  # the answer was lost on its way, not the commit
        if not present.issuperset(file.path for file in removed):
            raise OvertakenError
        try:
            table.create_write_transaction(
                actions,
                mode="append",
                schema=table.schema(),
                partition_by=table.metadata().partition_columns,
                commit_properties=properties,
            )
            return
        except CommitFailedError:
            if attempt + 1 == COMMIT_ATTEMPTS:
                raise
            table.update_incremental()
