"""What writers that died left in a table's log.

delta-rs writes a commit to a temporary file, whose name follows from the version alone, and renames it. Of a writer that
died in between the file stays open: for a minute HDFS tells the next writer that it exists, and that one takes another
name, but from then on HDFS first recovers the file and refuses the next writer meanwhile. Without the file it has nothing
to recover.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, PyFileSystem

OLD = timedelta(seconds=30)
"""A writer is done with its file in much less, and up to a minute's age HDFS lets others pass by it."""

_TEMPORARY = re.compile(r"^\..+\.tmp\.\d+$")


def discard(table_uri: str) -> int:
    """Deletes the temporary files in the log of a table on HDFS that are `OLD`; how many there were."""
    if not table_uri.startswith("hdfs://"):
        return 0
    log = PyFileSystem(DeltaStorageHandler(f"{table_uri}/_delta_log"))
    before = datetime.now(UTC) - OLD
    files = [
        info
        for info in log.get_file_info(FileSelector("", recursive=False))
        if _TEMPORARY.match(info.base_name)
    ]
    old = [info.path for info in files if info.mtime and info.mtime < before]
    for path in old:
        with suppress(FileNotFoundError):  # another run was here first, or the writer is done after all
            log.delete_file(path)
    return len(old)
