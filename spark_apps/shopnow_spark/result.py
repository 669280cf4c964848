"""What a refresh did to a table, for people."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from shopnow.lake.lineage.restatements import Restatement


class Refreshed(NamedTuple):
    """What was done to a table: the new rows it was given, if it was given rows, those written, and their dates, if it has dates.

    `late` of the rows written are of dates that were over when the table was last refreshed.
    """

    table: str
    read: int | None
    written: int
    dates: Sequence[str] = ()
    late: int = 0
    restated: Sequence[Restatement] = ()

    def summary(self) -> str:
        """One line, and one more for each date and currency that was restated."""
        read = "" if self.read is None else f"{self.read:,} new events, "
        dates = ", ".join(
            self.dates
            if len(self.dates) < 4
            else (f"{len(self.dates)} dates", f"{self.dates[0]} to {self.dates[-1]}")
        )
        late = f", {self.late:,} of them late" if self.late else ""
        first = f"{self.table}: {read}{self.written:,} rows written{dates and f' ({dates})'}{late}"
        return "\n".join([first, *self._restatements()])

    def _restatements(self) -> list[str]:
        lines = []
        for (day, currency), group in groupby(self.restated, key=lambda each: (each.kpi_date, each.currency)):
            figures = list(group)
            changes = ", ".join(f"{each.figure} {each.before} -> {each.after}" for each in figures)
            late = figures[0].late_events
            why = f"{late} late event{'s'[: late != 1]}" if late else figures[0].why
            lines.append(f"{self.table}: {day} {currency} restated: {changes} ({why})")
        return lines
