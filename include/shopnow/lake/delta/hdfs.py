"""Write, move and remove whole files and folders on HDFS.

By RPC (hdfs-native), like delta-rs, at the lake's one address: its client writes to the DataNodes itself,
while WebHDFS is another address and redirects every write. `restock/inbox.py` needs WebHDFS, for a call that
hdfs-native lacks.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from hdfs_native import Client, WriteOptions

from shopnow.errors import UserError
from shopnow.failpoints import failpoint

# By default the client retries an unreachable NameNode for three minutes; five attempts take about 15 s.
_CONFIG = {"dfs.client.failover.max.attempts": "5"}

# The NameNode's message, without its stack trace.
_RPC_ERROR = re.compile(r'^RPCError\("[^"]*", "(?P<message>.*?)(?:\\n|"\)$)', re.DOTALL)


class Store:
    """Files below a lake's address; safe to share between threads."""

    def __init__(self, lake: str) -> None:
        address = urlsplit(lake)
        if address.scheme != "hdfs":
            raise UserError(
                f"the lake's address {lake!r} is not on HDFS; give one of the form hdfs://host:port/path"
            )
        self._client = Client(f"hdfs://{address.netloc}", _CONFIG)
        self._root = address.path.rstrip("/")

    def put(self, path: str, data: bytes) -> None:
        """Write a new file and its parent folders; readers ignore it until a commit adds it to a table.

        Raises:
            OSError: HDFS does not respond or rejects the write.
        """
        # Pass bytes: the client copies any other buffer byte by byte, which takes twenty times as long.
        with _rpc_errors():
            file = self._client.create(self._address(path), WriteOptions(create_parent=True))
            file.write(data)
            failpoint("land:write")
            file.close()

    def folders(self, path: str) -> list[str]:
        """Return the sorted names of the folders in a folder; empty if it does not exist."""
        try:
            entries = list(self._client.list_status(self._address(path)))
        except FileNotFoundError:
            return []
        return sorted(entry.path.rsplit("/", 1)[-1] for entry in entries if entry.isdir)

    def exists(self, path: str) -> bool:
        """Return whether a file or folder exists at the path."""
        try:
            self._client.get_file_info(self._address(path))
        except FileNotFoundError:
            return False
        return True

    def move(self, source: str, target: str, *, replace: bool = False) -> None:
        """Rename a file into an existing folder; its modification time does not change.

        Args:
            replace: replace the file at the target path, atomically.

        Raises:
            OSError: the target path exists and is not to be replaced, or HDFS does not respond.
        """
        with _rpc_errors():
            self._client.rename(self._address(source), self._address(target), overwrite=replace)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with its content; do nothing if it does not exist."""
        with _rpc_errors():
            self._client.delete(self._address(path), recursive=True)

    def _address(self, path: str) -> str:
        return f"{self._root}/{path}".rstrip("/")


@contextmanager
def _rpc_errors() -> Iterator[None]:
    """Raise a rejection by HDFS, for which the client library raises RuntimeError, as OSError."""
    try:
        yield
    except RuntimeError as error:
        match = _RPC_ERROR.match(str(error))
        raise OSError(match["message"] if match else str(error)) from error
