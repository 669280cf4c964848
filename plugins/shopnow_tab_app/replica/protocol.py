"""What the process that keeps the copies of the lake's tables is given, what it can be asked, and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from multiprocessing.managers import BaseManager, BaseProxy
from typing import Any, NamedTuple

import pyarrow as pa


class Copy(NamedTuple):
    """What is copied of a table, into a table of the same name."""

    table: str
    schema: pa.Schema
    """The columns that are read; one that a file lacks is null."""
    select: str = "*"
    """What is kept of them, as an SQL select list."""
    where: str = "true"
    """Of which rows, as an SQL condition."""


class Derived(NamedTuple):
    """A table made from copies whenever one of them changed, for what would take too long to ask each time."""

    table: str
    keys: Mapping[str, str]
    """By copy it is made from, an SQL expression of its columns: a row of the table rests on those rows whose value is its `key`."""
    select: str


class TableStats(NamedTuple):
    """A table as it was last read."""

    version: int
    rows: int
    """By its log; rows that no file says the number of are left out."""


class State(NamedTuple):
    """Where the copies of some tables stand."""

    versions: Mapping[str, int | None]
    """By table; None for one that the lake does not have."""
    unread: tuple[str, ...]
    """Tables not read yet."""
    trouble: str | None
    """Why the lake could not be read just now, in a sentence; None if it could."""
    as_of: datetime | None
    """When the lake was last read; None if never."""


LISTENS = b"\n"
"""What it prints once it can be asked."""


class Task(NamedTuple):
    """What it is started with."""

    folder: str
    """A directory that only its owner may enter, for the copies and the socket."""
    key: bytes
    """Whoever asks has to have it."""
    address: str
    copies: Sequence[Copy]
    derived: Sequence[Derived]

    @property
    def socket(self) -> str:
        return f"{self.folder}/socket"


class Asked(BaseProxy):
    """The keeper, for another process; each of its threads has a connection of its own."""

    _exposed_ = ("state", "query", "chunks", "stands", "transaction_version")
    _method_to_typeid_ = {"chunks": "Chunks"}  # noqa: RUF012  (as the base class has it)


class Chunks(BaseProxy):
    """An iterator of that process."""

    _exposed_ = ("__next__",)

    def __iter__(self) -> "Chunks":
        return self

    def __next__(self) -> Any:
        following: Callable[[str], Any] = self._callmethod
        return following("__next__")


class Manager(BaseManager):
    """Serves a keeper, or finds the one that is served."""


Manager.register("keeper", proxytype=Asked)
Manager.register("Chunks", proxytype=Chunks, create_method=False)
