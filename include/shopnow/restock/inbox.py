"""Delivery notes on HDFS: folders through which a file moves in one direction.

The note of an approved order waits in `ordered` until it is due, the time in its name, and then moves to
`inbox`, where suppliers drop files; `taken` holds claimed files, so that a file of the same name that is
dropped later stays separate; `done` and `rejected` are the archives. There the name contains the content's
digest: `note-17.csv` becomes `note-17.3fa9c2d10b5e.csv`, and a rejected file has a text file with the reason
next to it. A name that would become too long there is shortened, so that every file can be filed.

Access is by WebHDFS, with the login of `webhdfs_default` and as suppliers drop files: its checksum call
detects a file that is still being written, which hdfs-native, the client of the lake's tables, cannot.
"""

import hashlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from hdfs.util import HdfsError

from shopnow.failpoints import failpoint
from shopnow.history.removed import Removed
from shopnow.text_format import one_line, printable

Client = Any
"""An hdfs.Client, as returned by WebHDFSHook.get_conn."""

MAX_NAME_BYTES = 255
"""Longest name of a file on HDFS, in UTF-8."""

_log = logging.getLogger(__name__)
_REASON_SUFFIX = ".reason.txt"
_DIGEST_LENGTH = 12
_DUE_FORMAT = "%Y%m%dT%H%M%SZ"
ACCESS_DENIED = "Permission denied"
"""Part of HDFS's message about a file that this user may not read."""
_UNDER_CONSTRUCTION = "is under construction"


class Inbox:
    """The folders below a path such as `/shopnow/restock`.

    Raises:
        HdfsError, OSError: from every method, if HDFS refuses or does not answer.
    """

    def __init__(self, client: Client, root: str) -> None:
        self._client = client
        self._root = root.rstrip("/")

    def pending(self) -> Iterator[str]:
        """Yield the names of the files to process, oldest first, without those still being written."""
        taken = self._names("taken")
        yield from taken
        for name in self._names("inbox"):
            if name not in taken and not self._is_being_written(name):
                yield name

    def due(self, now: datetime) -> Iterator[str]:
        """Yield the names in `ordered` of the notes that are due, the first due one first."""
        for name in sorted(self._names("ordered")):
            if (time := due_time(name)) and time <= now:
                yield name

    def release(self, name: str) -> None:
        """Move a note that is due from `ordered` to `inbox`; idempotent.

        It stays while the inbox has a file of the same name and other content.
        """
        source, target = f"ordered/{name}", f"inbox/{note_name(name)}"
        if self._exists(target):
            if self._content(f"{self._root}/{source}") == self._content(f"{self._root}/{target}"):
                self._client.delete(f"{self._root}/{source}")
            return
        self._client.makedirs(f"{self._root}/inbox")
        self._move(source, target)

    def claim(self, name: str) -> None:
        """Move a file to `taken`; does nothing if it is claimed already."""
        if not self._exists(f"taken/{name}"):
            self._client.makedirs(f"{self._root}/taken")
            self._move(f"inbox/{name}", f"taken/{name}")

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return the content of a claimed file, at most `max_bytes` of it."""
        with self._client.read(f"{self._root}/taken/{name}", length=max_bytes) as stream:
            return stream.read()

    def version(self, name: str) -> str:
        """Return a digest that identifies a claimed file whose content is not or cannot be read."""
        status = self._client.status(f"{self._root}/taken/{name}")
        return hashlib.sha256(f"{status['fileId']}/{status['modificationTime']}".encode()).hexdigest()

    def archive(self, name: str, digest: str, folder: str, reason: str | None = None) -> str:
        """Move a claimed file to `done` or `rejected` and return its path; idempotent."""
        target = f"{folder}/{archive_name(name, digest)}"
        self._client.makedirs(f"{self._root}/{folder}")
        if reason is not None:
            self._client.write(
                f"{self._root}/{target}{_REASON_SUFFIX}",
                data=f"{reason}\n",
                encoding="utf-8",
                overwrite=True,
            )
        failpoint("restock:reason")
        if self._exists(f"taken/{name}") and self._exists(target):
            # A file of the same name and content is archived already.
            self._client.delete(f"{self._root}/taken/{name}")
        else:
            self._move(f"taken/{name}", target)
        return f"{self._root}/{target}"

    def purge(self, before: datetime, dry_run: bool = False) -> Removed:
        """Delete the archived files that were written before a time.

        Each note's keys stay in Kafka, so one that is dropped again is still recognized.
        """
        sizes = []
        for folder in ("done", "rejected"):
            if not self._exists(folder):
                continue
            for name, status in self._client.list(f"{self._root}/{folder}", status=True):
                if status["modificationTime"] < before.timestamp() * 1000:
                    sizes.append(status["length"])
                    if not dry_run:
                        self._client.delete(f"{self._root}/{folder}/{name}")
        return Removed(len(sizes), sum(sizes))

    def drop(self, name: str, data: bytes) -> str:
        """Write a file into the inbox atomically and return its path; idempotent.

        Raises:
            HdfsError: a file of the same name and other content is pending.
        """
        return self._write("inbox", name, data)

    def order(self, name: str, data: bytes, due: datetime) -> str:
        """Write the note of an order, which moves to the inbox when it is due; idempotent, as `drop`."""
        return self._write("ordered", f"{due.astimezone(UTC):{_DUE_FORMAT}}.{name}", data)

    def _write(self, folder: str, name: str, data: bytes) -> str:
        # Not `.{name}`, which can be too long.
        temporary = f"{self._root}/{folder}/.{hashlib.sha256(name.encode()).hexdigest()[:32]}"
        target = f"{self._root}/{folder}/{name}"
        self._client.write(temporary, data=data, overwrite=True)
        try:
            self._client.rename(temporary, target)
        except HdfsError:
            if not self._exists(f"{folder}/{name}") or self._content(target) != data:
                raise
            self._client.delete(temporary)
        return target

    def _content(self, path: str) -> bytes:
        with self._client.read(path) as stream:
            return stream.read()

    def _names(self, folder: str) -> list[str]:
        try:
            entries = self._client.list(f"{self._root}/{folder}", status=True)
        except HdfsError:
            if self._exists(folder):
                raise
            return []
        notes = [
            (status["modificationTime"], name)
            for name, status in entries
            if status["type"] == "FILE" and is_delivery_note(name)
        ]
        return [name for _, name in sorted(notes)]

    def _is_being_written(self, name: str) -> bool:
        try:
            self._client.checksum(f"{self._root}/inbox/{name}")
        except HdfsError as error:
            if ACCESS_DENIED in str(error):
                return False  # it is rejected with that reason
            if _UNDER_CONSTRUCTION not in str(error):
                _log.warning("%s is left in the inbox: %s", printable(name), one_line(str(error)))
            return True
        return False

    def _exists(self, path: str) -> bool:
        return self._client.status(f"{self._root}/{path}", strict=False) is not None

    def _move(self, source: str, target: str) -> None:
        try:
            self._client.rename(f"{self._root}/{source}", f"{self._root}/{target}")
        except HdfsError:
            if self._exists(source):  # otherwise a concurrent attempt has moved it
                raise


def inbox_path(lake: str) -> str:
    """Return the path of the folders in a lake."""
    return f"{urlsplit(lake).path.rstrip('/')}/restock"


def due_time(name: str) -> datetime | None:
    """Return the time at which a file in `ordered` is due; None if its name does not begin with one."""
    try:
        return datetime.strptime(name.partition(".")[0], _DUE_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def note_name(name: str) -> str:
    """Return the name that a file in `ordered` gets in the inbox, without the time at which it is due."""
    return name.partition(".")[2]


def archive_name(name: str, digest: str) -> str:
    """Return the name of a file in an archive, short enough for the name of its reason."""
    path = PurePosixPath(name)
    suffix = f".{digest[:_DIGEST_LENGTH]}{path.suffix}"
    room = MAX_NAME_BYTES - len((suffix + _REASON_SUFFIX).encode())
    return path.stem.encode()[:room].decode(errors="ignore") + suffix


def is_delivery_note(name: str) -> bool:
    """Return whether a file name is that of a delivery note, and not of another or a temporary file."""
    return name.lower().endswith(".csv") and not name.startswith((".", "_"))
