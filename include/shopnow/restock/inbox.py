"""Where delivery notes lie on HDFS: four folders, through which a file walks one way.

`inbox` is where suppliers drop files; `taken` holds those that are being worked on, so that one that is dropped meanwhile under the
same name is another one; `done` and `rejected` are the ends. There a file's name tells its content apart:
`note-17.csv` becomes `note-17.3fa9c2d10b5e.csv`, and beside a rejected one lies a text that says why.

By WebHDFS, with the login of `webhdfs_default`, as suppliers drop files: only its checksum call tells a file that is still
being written, which hdfs-native, the client of the lake's tables, cannot.
"""

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from hdfs.util import HdfsError

from shopnow.failpoints import failpoint

Client = Any
"""An hdfs.Client, such as WebHDFSHook's get_conn gives."""

_BEING_WRITTEN = "is under construction"


class Inbox:
    """The folders below a path such as `/shopnow/restock`.

    Raises:
        HdfsError, OSError: every method does, if HDFS refuses or does not answer.
    """

    def __init__(self, client: Client, root: str) -> None:
        self._client = client
        self._root = root.rstrip("/")

    def waiting(self) -> list[str]:
        """The names of the files to be worked on, oldest first; those still being written are left out."""
        dropped = [name for name in self._names("inbox") if not self._being_written(name)]
        return list(dict.fromkeys([*self._names("taken"), *dropped]))

    def take(self, name: str) -> None:
        """Have a file that waits for oneself; nothing happens to one that was taken before."""
        if not self._there(f"taken/{name}"):
            self._client.makedirs(f"{self._root}/taken")
            self._move(f"inbox/{name}", f"taken/{name}")

    def read(self, name: str, most: int) -> bytes:
        """The first bytes of a taken file, `most` of them if it has as many."""
        with self._client.read(f"{self._root}/taken/{name}", length=most) as stream:
            return stream.read()

    def file(self, name: str, digest: str, folder: str, reason: str | None = None) -> str:
        """Move a taken file to `done` or `rejected`, there with the reason; returns its path. Safe to repeat."""
        path = PurePosixPath(name)
        target = f"{folder}/{path.stem}.{digest[:12]}{path.suffix}"
        self._client.makedirs(f"{self._root}/{folder}")
        if reason is not None:
            self._client.write(
                f"{self._root}/{target}.reason.txt", data=f"{reason}\n", encoding="utf-8", overwrite=True
            )
        failpoint("restock:reason")
        if self._there(f"taken/{name}") and self._there(target):
            self._client.delete(
                f"{self._root}/taken/{name}"
            )  # the same name and content: it is there already
        else:
            self._move(f"taken/{name}", target)
        return f"{self._root}/{target}"

    def drop(self, name: str, data: bytes) -> str:
        """Put a file into the inbox, whole, where none of its name may be waiting but this very one; returns its path."""
        hidden, target = f"{self._root}/inbox/.{name}", f"{self._root}/inbox/{name}"
        self._client.write(hidden, data=data, overwrite=True)
        try:
            self._client.rename(hidden, target)
        except HdfsError:
            if not self._there(f"inbox/{name}") or self._content(target) != data:
                raise
            self._client.delete(hidden)
        return target

    def _content(self, path: str) -> bytes:
        with self._client.read(path) as stream:
            return stream.read()

    def _names(self, folder: str) -> list[str]:
        try:
            found = self._client.list(f"{self._root}/{folder}", status=True)
        except HdfsError:
            if self._there(folder):
                raise
            return []
        notes = [
            (status["modificationTime"], name)
            for name, status in found
            if status["type"] == "FILE" and is_delivery_note(name)
        ]
        return [name for _, name in sorted(notes)]

    def _being_written(self, name: str) -> bool:
        try:
            self._client.checksum(f"{self._root}/inbox/{name}")
        except HdfsError as error:
            if _BEING_WRITTEN in str(error):
                return True
            if self._there(f"inbox/{name}"):
                raise
        return False

    def _there(self, path: str) -> bool:
        return self._client.status(f"{self._root}/{path}", strict=False) is not None

    def _move(self, source: str, target: str) -> None:
        try:
            self._client.rename(f"{self._root}/{source}", f"{self._root}/{target}")
        except HdfsError:
            if self._there(source):  # otherwise another attempt was faster
                raise


def inbox_path(lake: str) -> str:
    """Where the folders are in a lake."""
    return f"{urlsplit(lake).path.rstrip('/')}/restock"


def is_delivery_note(name: str) -> bool:
    """Whether a file of that name is taken for a delivery note; others, such as one that is only being copied, are left alone."""
    return name.lower().endswith(".csv") and not name.startswith((".", "_"))
