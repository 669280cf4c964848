"""Files and folders on HDFS: writes, moves and removes them whole."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from hdfs_native import Client, WriteOptions

from shopnow.errors import UserError
from shopnow.failpoints import failpoint

# The client would go on trying a NameNode that is away for three minutes; five attempts take about 15 s.
_CONFIG = {"dfs.client.failover.max.attempts": "5"}

# What the NameNode says, before its stack trace.
_REFUSAL = re.compile(r'^RPCError\("[^"]*", "(?P<message>.*?)(?:\\n|"\)$)', re.DOTALL)


class Store:
    """Files below a lake's address; may be shared by threads."""

    def __init__(self, lake: str) -> None:
        address = urlsplit(lake)
        if address.scheme != "hdfs":
            raise UserError(f"the lake's address {lake!r} is not on HDFS; it reads hdfs://host:port/path")
        self._client = Client(f"hdfs://{address.netloc}", _CONFIG)
        self._root = address.path.rstrip("/")

    def put(self, path: str, data: bytes) -> None:
        """Write a new file, with the directories that lead to it. Seen by nobody until a commit names it.

        Raises:
            OSError: HDFS does not answer, or refuses.
        """
        # Plain bytes: any other buffer is copied byte by byte, which takes twenty times as long.
        with _refusals():
            file = self._client.create(self._address(path), WriteOptions(create_parent=True))
            file.write(data)
            failpoint("land:write")
            file.close()

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder; none if it is not there."""
        try:
            found = list(self._client.list_status(self._address(path)))
        except FileNotFoundError:
            return []
        return sorted(each.path.rsplit("/", 1)[-1] for each in found if each.isdir)

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder at the path."""
        try:
            self._client.get_file_info(self._address(path))
        except FileNotFoundError:
            return False
        return True

    def move(self, source: str, target: str) -> None:
        """Give a file another path, in a folder that is there; its time stays.

        Raises:
            OSError: there is something at that path, or HDFS does not answer.
        """
        with _refusals():
            self._client.rename(self._address(source), self._address(target))

    def remove(self, path: str) -> None:
        """Remove a folder with all that is in it; nothing happens if it is not there."""
        with _refusals():
            self._client.delete(self._address(path), recursive=True)

    def _address(self, path: str) -> str:
        return f"{self._root}/{path}".rstrip("/")


@contextmanager
def _refusals() -> Iterator[None]:
    """Raises what the client library raises when HDFS refuses, a RuntimeError, as what it is."""
    try:
        yield
    except RuntimeError as error:
        found = _REFUSAL.match(str(error))
        raise OSError(found["message"] if found else str(error)) from error
