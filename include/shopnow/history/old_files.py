"""Removal of files that were last modified before a time."""

from collections.abc import Iterator
from datetime import datetime
from os import stat_result
from pathlib import Path
from stat import S_ISDIR

from shopnow.history.removed import Removed


def purge(folder: Path, before: datetime, dry_run: bool = False) -> Removed:
    """Delete old files at any depth below a folder, and old folders that are empty.

    Raises:
        OSError: a file cannot be deleted; the next purge deletes the rest.
    """
    sizes = []
    # Statuses first, as deleting a file changes its folder's; the content of a folder before the folder.
    for path, status in sorted(_old(folder, before), reverse=True):
        if not S_ISDIR(status.st_mode):
            sizes.append(status.st_size)
            if not dry_run:
                path.unlink(missing_ok=True)
        elif not dry_run and not any(path.iterdir()):
            path.rmdir()
    return Removed(len(sizes), sum(sizes))


def _old(folder: Path, before: datetime) -> Iterator[tuple[Path, stat_result]]:
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:  # its owner has deleted it meanwhile
            continue
        if status.st_mtime < before.timestamp():
            yield path, status
