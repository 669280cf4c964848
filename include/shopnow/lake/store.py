"""Writes whole files to HDFS."""

from urllib.parse import urlsplit

from hdfs_native import Client, WriteOptions

from shopnow.errors import UserError
from shopnow.killpoints import reach

# The client would go on trying a NameNode that is away for three minutes; five attempts take about 15 s.
_CONFIG = {"dfs.client.failover.max.attempts": "5"}


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
        file = self._client.create(f"{self._root}/{path}", WriteOptions(create_parent=True))
        file.write(data)
        reach("land:write")
        file.close()
