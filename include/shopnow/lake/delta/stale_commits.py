"""Remove temporary files that killed writers left in a table's log.

delta-rs writes a commit to a temporary file, whose name depends on the version only, and renames it. If the
writer is killed in between, the file stays open. For a minute HDFS tells the next writer that the file
exists, and that writer picks another name. After that minute HDFS starts lease recovery of the file and
rejects the next writer until it ends. Removing the file avoids the recovery.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, PyFileSystem

STALE_AFTER = timedelta(seconds=30)
"""Age of a stale file. A live writer needs much less; up to a minute HDFS does not block other writers."""

_TEMPORARY = re.compile(r"^\..+\.tmp\.\d+$")


def discard(table_uri: str) -> int:
    """Delete temporary files older than `STALE_AFTER` from a table's log on HDFS, and return their number."""
    if not table_uri.startswith("hdfs://"):
        return 0
    log = PyFileSystem(DeltaStorageHandler(f"{table_uri}/_delta_log"))
    cutoff = datetime.now(UTC) - STALE_AFTER
    files = [
        info
        for info in log.get_file_info(FileSelector("", recursive=False))
        if _TEMPORARY.match(info.base_name)
    ]
    stale = [info.path for info in files if info.mtime and info.mtime < cutoff]
    for path in stale:
        with suppress(FileNotFoundError):  # another run deleted it, or its writer has finished
            log.delete_file(path)
    return len(stale)
