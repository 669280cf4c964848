"""The contents of a report, independent of the document format."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from shopnow.reports.charts import Chart


class Card(NamedTuple):
    """A headline figure."""

    title: str
    value: str
    comparison: str
    """Change since the previous period, or why there is none."""
    definition: str
    is_improvement: bool | None = None
    """Whether the change is good; None if neither."""


class Column(NamedTuple):
    title: str
    definition: str
    numeric: bool
    currency: str = ""
    """Currency of all amounts in the column, if they have one in common."""

    @property
    def heading(self) -> str:
        return f"{self.title}, {self.currency}" if self.currency else self.title


class Section(NamedTuple):
    """A section of the report; empty parts are left out."""

    title: str
    paragraphs: Sequence[str] = ()
    cards: Sequence[Card] = ()
    charts: Sequence[Chart] = ()
    columns: Sequence[Column] = ()
    rows: Sequence[Sequence[str]] = ()
    note: str = ""
    """Shown below the table."""


class Report(NamedTuple):
    day: date
    title: str
    status: str
    """How far the figures can be trusted, in a few words."""
    is_sound: bool
    """Whether there is no known problem with the figures."""
    notices: Sequence[str]
    """What the reader must know before reading the figures."""
    sections: Sequence[Section]
    definitions: Mapping[str, Mapping[str, str]] = {}
    """Definitions of the figures, by table and name."""

    @property
    def charts(self) -> list[Chart]:
        return [chart for section in self.sections for chart in section.charts]


def definitions(sections: Sequence[Section]) -> dict[str, str]:
    """Return the definitions of the sections' figures, by name."""
    by_name: dict[str, str] = {}
    for section in sections:
        by_name |= {card.title: card.definition for card in section.cards}
        by_name |= {column.title: column.definition for column in section.columns if column.numeric}
    return by_name
