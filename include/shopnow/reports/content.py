"""What a report consists of, whatever kind of document it becomes."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from shopnow.reports.charts import Chart


class Card(NamedTuple):
    """A headline figure."""

    title: str
    value: str
    beside: str
    """The figure it is compared with, or why it is not."""
    definition: str
    better: bool | None = None
    """Whether what changed is good; None if neither."""


class Column(NamedTuple):
    title: str
    definition: str
    numeric: bool


class Section(NamedTuple):
    """A part of the report; whatever of it is empty is left out."""

    title: str
    words: Sequence[str] = ()
    cards: Sequence[Card] = ()
    charts: Sequence[Chart] = ()
    columns: Sequence[Column] = ()
    rows: Sequence[Sequence[str]] = ()
    note: str = ""
    """Below the table."""


class Report(NamedTuple):
    day: date
    title: str
    status: str
    """How far the figures can be trusted, in a few words."""
    sound: bool
    """Whether nothing speaks against them."""
    words: Sequence[str]
    """What has to be known first."""
    sections: Sequence[Section]

    @property
    def charts(self) -> list[Chart]:
        return [chart for section in self.sections for chart in section.charts]

    @property
    def definitions(self) -> dict[str, str]:
        """What each figure of the report means, in its order; the first of those with the same name and definition."""
        found: dict[str, str] = {}
        for section in self.sections:
            for each in (*section.cards, *section.columns):
                if each.definition:
                    found.setdefault(f"{section.title}: {each.title}", each.definition)
        return found
