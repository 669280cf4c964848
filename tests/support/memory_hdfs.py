"""An HDFS of files in memory, with the calls of `hdfs.Client` that the restock inbox uses."""

import io
from contextlib import contextmanager
from typing import Any

from hdfs.util import HdfsError


class MemoryHdfs:
    """Files by path; `denied` are unreadable, `open_for_writing` not closed yet, `damaged` lack a block."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.folders: set[str] = set()
        self.denied: set[str] = set()
        self.open_for_writing: set[str] = set()
        self.damaged: set[str] = set()
        self._ids: dict[str, int] = {}

    def list(self, path: str, status: bool = False) -> list[tuple[str, dict[str, Any]]]:
        """Return the entries of a folder; files are as old as their order."""
        names = [name for name in self.files | dict.fromkeys(self.folders) if name.rpartition("/")[0] == path]
        if not names and path not in self.folders:
            raise HdfsError(f"File {path} does not exist.")
        return [(name.rpartition("/")[2], self.status(name)) for name in names]

    def status(self, path: str, strict: bool = True) -> dict[str, Any] | None:
        if path in self.files:
            return {"type": "FILE", "fileId": self._ids[path], "modificationTime": self._ids[path]}
        if path in self.folders:
            return {"type": "DIRECTORY", "fileId": 0, "modificationTime": 0}
        if strict:
            raise HdfsError(f"File does not exist: {path}")
        return None

    def makedirs(self, path: str) -> None:
        self.folders.add(path)

    def write(self, path: str, data: Any, overwrite: bool = False, encoding: str | None = None) -> None:
        _check_name(path)
        if path in self.files and not overwrite:
            raise HdfsError(f"{path} exists")
        self.files[path] = data.encode(encoding) if encoding else data
        self._ids[path] = len(self._ids)

    def rename(self, source: str, target: str) -> None:
        _check_name(target)
        if source not in self.files or target in self.files:
            raise HdfsError(f"Renaming {source} failed")
        self.files[target] = self.files.pop(source)
        self._ids[target] = self._ids[source]
        for paths in (self.denied, self.damaged):
            if source in paths:
                paths.remove(source)
                paths.add(target)

    def delete(self, path: str) -> None:
        del self.files[path]

    @contextmanager
    def read(self, path: str, length: int | None = None) -> Any:
        self._check_access(path)
        yield io.BytesIO(self.files[path][:length])

    def checksum(self, path: str) -> dict[str, Any]:
        if path in self.open_for_writing:
            raise HdfsError(f"Fail to get checksum, since file {path} is under construction.")
        self._check_access(path)
        return {}

    def _check_access(self, path: str) -> None:
        if path in self.denied:
            raise HdfsError(f'Permission denied: user=shopnow, access=READ, inode="{path}"')
        if path in self.damaged:
            raise HdfsError(f"Could not obtain block of {path}")


def _check_name(path: str) -> None:
    if (length := len(path.rpartition("/")[2].encode())) > 255:
        raise HdfsError(f"The maximum path component name limit is exceeded: limit=255 length={length}")
