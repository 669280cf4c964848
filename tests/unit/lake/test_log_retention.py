"""A table's log is cleaned up by the checkpoints of its commits; what exactly-once needs stays."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, Transaction

from shopnow.lake.delta.tables import CHECKPOINTS, Table, write

DAY = 86_400
INTERVAL = int(CHECKPOINTS["delta.checkpointInterval"])
APP_ID = "topic/0"


def commit_rows(table: Table, properties: CommitProperties) -> None:
    write(table.open(), pa.table({"n": [1]}), commit_properties=properties)


def commit_actions(table: Table, properties: CommitProperties) -> None:
    """Commit as landing and compaction do."""
    snapshot = table.open()
    snapshot.create_write_transaction([], "append", snapshot.schema(), commit_properties=properties)


@pytest.mark.parametrize("commit", [commit_rows, commit_actions])
def test_commits_older_than_thirty_days_are_removed(
    tmp_path: Path, commit: Callable[[Table, CommitProperties], None]
) -> None:
    table, log = Table(f"file://{tmp_path}", "t"), tmp_path / "t" / "_delta_log"
    table.ensure(pa.schema([("n", pa.int64())]))
    commit_rows(table, CommitProperties(app_transactions=[Transaction(APP_ID, 7)]))

    def commit_interval(age_days: int) -> None:
        """Commit until the next checkpoint is written; all files of the log get this age."""
        for _ in range(INTERVAL):
            commit(table, CommitProperties())
        for file in log.iterdir():
            os.utime(file, (time.time() - age_days * DAY,) * 2)

    commit_interval(age_days=29)
    commit_interval(age_days=31)
    assert len(list(log.glob("*.json"))) > 2 * INTERVAL
    commit_interval(age_days=0)
    assert len(list(log.glob("*.json"))) <= 2 * INTERVAL
    assert table.open().transaction_version(APP_ID) == 7
