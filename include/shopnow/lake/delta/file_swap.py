"""Replace files of a table in one commit, exactly once, under concurrent commits."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, RemoveAction
from pyarrow.fs import PyFileSystem

from shopnow.lake.delta.conflicts import CommitConflict, retry_on_conflict

COMMIT_ATTEMPTS = 20

Partition = Mapping[str, str | None]
"""Values of the partition columns, as the log has them."""


class DataFile(NamedTuple):
    """A data file: path relative to the table, size in bytes, rows (0 if not in the log) and partition."""

    path: str
    size: int
    rows: int
    partition: Partition


def read_bytes(snapshot: DeltaTable, path: str) -> bytes:
    """Return the bytes of a data file."""
    with PyFileSystem(DeltaStorageHandler(snapshot.table_uri)).open_input_file(path) as source:
        return source.read()


def data_files(snapshot: DeltaTable) -> list[DataFile]:
    """Return the data files of the snapshot."""
    columns = snapshot.metadata().partition_columns
    return [
        DataFile(
            action["path"],
            action["size_bytes"],
            action.get("num_records") or 0,
            {
                name: None if action[f"partition.{name}"] is None else str(action[f"partition.{name}"])
                for name in columns
            },
        )
        for action in pa.table(snapshot.get_add_actions(flatten=True)).to_pylist()
    ]


def replace(
    snapshot: DeltaTable,
    removed: Sequence[DataFile],
    added: Sequence[AddAction],
    *,
    data_change: bool,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Remove and add files in one commit; files that other commits append in the meantime stay.

    Args:
        snapshot: the version whose files were read.
        data_change: whether the commit changes rows, not only their files.

    Raises:
        CommitConflict: a newer commit removed one of the files; nothing was committed, the plan is outdated.
        deltalake.exceptions.CommitFailedError: every attempt met a newer commit, or the lake is unreachable.
    """
    now = int(time.time() * 1000)
    actions = [
        *added,
        *(RemoveAction(file.path, data_change, now, file.size, dict(file.partition)) for file in removed),
    ]
    properties = CommitProperties(
        custom_metadata=dict(metadata or {}),
        # The library's own retry misses that another compaction removed the same files; `commit` checks it.
        max_commit_retries=0,
    )

    def commit() -> None:
        present = {file.path for file in data_files(snapshot)}
        if added and present.issuperset(file.path for file in added):
            return  # the previous attempt was committed, only its response was lost
        if not present.issuperset(file.path for file in removed):
            raise CommitConflict
        snapshot.create_write_transaction(
            actions,
            mode="append",
            schema=snapshot.schema(),
            partition_by=snapshot.metadata().partition_columns,
            commit_properties=properties,
        )

    retry_on_conflict(
        commit, on=CommitFailedError, attempts=COMMIT_ATTEMPTS, before_retry=snapshot.update_incremental
    )
