"""Protocol between the API server and the replica's process: configuration, methods and results."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from multiprocessing.managers import BaseManager, BaseProxy
from typing import Any, NamedTuple

import pyarrow as pa


class TableCopy(NamedTuple):
    """Columns and rows of a lake table to copy into a DuckDB table of the same name."""

    table: str
    schema: pa.Schema
    """Columns to read; a column that a file lacks is null."""
    select: str = "*"
    """SQL select list of the columns to keep."""
    where: str = "true"
    """SQL condition of the rows to keep."""
    topic: str | None = None
    """Topic whose records the copy has, too, until the table has them. The copy of such a table has a column
    `provisional`, true for these."""


class DerivedTable(NamedTuple):
    """A table computed from copies when one of them changes, because each query would take too long."""

    table: str
    keys: Mapping[str, str]
    """By source copy, an SQL expression: a row depends on the source rows whose value is its `key`."""
    select: str


class TableStats(NamedTuple):
    """Version and size of a table as of its last read."""

    version: int
    rows: int
    """By the table's log; files without a row count are left out."""


class ReplicaState(NamedTuple):
    """Versions of some tables of the replica."""

    versions: Mapping[str, int | None]
    """By table; None for one that the lake does not have."""
    unread: tuple[str, ...]
    """Tables not read yet."""
    error: str | None
    """Why the lake cannot be read, in a sentence; None if it can."""
    as_of: datetime | None
    """When the lake was last read; None before the first read."""


READY = b"\n"
"""Output of the server once it accepts connections."""


class ServerConfig(NamedTuple):
    """Configuration that the server reads from its standard input."""

    folder: str
    """A directory that only its owner may enter, for the copies and the socket."""
    key: bytes
    """Authentication key of the connections."""
    address: str
    """The lake's address."""
    copies: Sequence[TableCopy]
    derived: Sequence[DerivedTable]
    conf: Mapping[str, Any] | None
    """Configuration of Kafka's clients; None to copy the lake only."""

    def socket(self, server: int | str) -> str:
        """Return the path of the socket, which is short wherever the folder is.

        Args:
            server: process id of the server, whose current folder is `folder`.
        """
        return f"/proc/{server}/cwd/socket"


class ReplicaProxy(BaseProxy):
    """Client-side proxy of the replica server; each thread has a connection of its own."""

    _exposed_ = ("state", "await_change", "query", "chunks", "table_stats", "transaction_version")
    _method_to_typeid_ = {"chunks": "ChunkIterator"}  # noqa: RUF012  (as the base class has it)


class ChunkIterator(BaseProxy):
    """Client-side proxy of an iterator in the server's process."""

    _exposed_ = ("__next__",)

    def __iter__(self) -> "ChunkIterator":
        return self

    def __next__(self) -> Any:
        call: Callable[[str], Any] = self._callmethod
        return call("__next__")


class ReplicaManager(BaseManager):
    """Serves the replica, or connects to the server."""


ReplicaManager.register("replica", proxytype=ReplicaProxy)
ReplicaManager.register("ChunkIterator", proxytype=ChunkIterator, create_method=False)
