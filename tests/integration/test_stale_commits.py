"""A writer that died in the middle of a commit is in nobody's way."""

import signal
import subprocess
import sys
from datetime import timedelta
from urllib.parse import urlsplit

import pyarrow as pa
from deltalake import write_deltalake
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, PyFileSystem

from shopnow.lake.delta import stale_commits
from shopnow.lake.delta.tables import Table

ROWS = pa.table({"number": [1]})

DYING_WRITER = """
import os, signal, sys
from hdfs_native import Client
Client(sys.argv[1]).create(sys.argv[2]).write(b"half a comm")
os.kill(os.getpid(), signal.SIGKILL)
"""


def names(lake: str) -> set[str]:
    log = PyFileSystem(DeltaStorageHandler(f"{lake}/numbers/_delta_log"))
    return {info.base_name for info in log.get_file_info(FileSelector("", recursive=False))}


def test_the_file_of_a_dead_writer_is_taken_away_before_the_next_commit(lake, monkeypatch):
    Table(lake, "numbers").ensure(ROWS.schema)
    address, file = urlsplit(lake), ".00000000000000000001.json.tmp.1"
    arguments = [f"hdfs://{address.netloc}", f"{address.path}/numbers/_delta_log/{file}"]
    assert (
        subprocess.run([sys.executable, "-c", DYING_WRITER, *arguments], check=False).returncode
        == -signal.SIGKILL
    )

    # The writer may still live: its file stays, and is in the way of nobody yet.
    write_deltalake(Table(lake, "numbers").ensure(ROWS.schema), ROWS, mode="append")
    assert file in names(lake)

    monkeypatch.setattr(stale_commits, "OLD", timedelta(0))
    write_deltalake(Table(lake, "numbers").ensure(ROWS.schema), ROWS, mode="append")
    assert names(lake) == {f"{version:020}.json" for version in range(3)}
