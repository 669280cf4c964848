"""The temporary file of a killed writer does not block later commits."""

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


def log_files(lake: str) -> set[str]:
    log = PyFileSystem(DeltaStorageHandler(f"{lake}/numbers/_delta_log"))
    return {info.base_name for info in log.get_file_info(FileSelector("", recursive=False))}


def test_the_file_of_a_killed_writer_is_deleted_before_the_next_commit(lake, monkeypatch):
    Table(lake, "numbers").ensure(ROWS.schema)
    address, file = urlsplit(lake), ".00000000000000000001.json.tmp.1"
    arguments = [f"hdfs://{address.netloc}", f"{address.path}/numbers/_delta_log/{file}"]
    assert (
        subprocess.run([sys.executable, "-c", DYING_WRITER, *arguments], check=False).returncode
        == -signal.SIGKILL
    )

    # The writer may still be alive: its file stays and does not block others yet.
    write_deltalake(Table(lake, "numbers").ensure(ROWS.schema), ROWS, mode="append")
    assert file in log_files(lake)

    monkeypatch.setattr(stale_commits, "STALE_AFTER", timedelta(0))
    write_deltalake(Table(lake, "numbers").ensure(ROWS.schema), ROWS, mode="append")
    assert log_files(lake) == {f"{version:020}.json" for version in range(3)}
