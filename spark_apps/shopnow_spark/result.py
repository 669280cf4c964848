"""Result of refreshing a table, with a summary for people."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from shopnow.lake.lineage.restatements import Restatement


class Refreshed(NamedTuple):
    """Result of refreshing a table.

    `read` is the number of new source events, None for KPIs; `written` the number of rows written, of the
    dates `dates` if the table has any; `late` of them are of dates that had ended before the previous
    refresh.
    """

    table: str
    read: int | None
    written: int
    dates: Sequence[str] = ()
    late: int = 0
    restated: Sequence[Restatement] = ()

    def summary(self) -> str:
        """Return one line, and one more for each restated date and currency."""
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
        for (day, currency), group in groupby(
            self.restated, key=lambda restatement: (restatement.kpi_date, restatement.currency)
        ):
            restatements = list(group)
            changes = ", ".join(f"{entry.figure} {entry.before} -> {entry.after}" for entry in restatements)
            late = restatements[0].late_events
            cause = f"{late} late event{'s'[: late != 1]}" if late else restatements[0].why
            lines.append(f"{self.table}: {day} {currency} restated: {changes} ({cause})")
        return lines
