"""What a refresh did to a table, for people."""

from collections.abc import Sequence
from typing import NamedTuple


class Refreshed(NamedTuple):
    """What was done to a table: the new rows it was given, if it was given rows, those written, and their dates, if it has dates."""

    table: str
    read: int | None
    written: int
    dates: Sequence[str] = ()

    def summary(self) -> str:
        """One line."""
        read = "" if self.read is None else f"{self.read:,} new events, "
        dates = ", ".join(self.dates if len(self.dates) < 4 else (f"{len(self.dates)} dates", f"{self.dates[0]} to {self.dates[-1]}"))
        return f"{self.table}: {read}{self.written:,} rows written{dates and f' ({dates})'}"
