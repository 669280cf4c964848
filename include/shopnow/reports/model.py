"""What a report consists of, whatever kind of document it becomes."""

from collections.abc import Mapping, Sequence
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
    currency: str = ""
    """Of all amounts in it, if they are of one."""

    @property
    def heading(self) -> str:
        return f"{self.title}, {self.currency}" if self.currency else self.title


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
    definitions: Mapping[str, Mapping[str, str]] = {}
    """What each figure means, by table and name."""

    @property
    def charts(self) -> list[Chart]:
        return [chart for section in self.sections for chart in section.charts]


def definitions(sections: Sequence[Section]) -> dict[str, str]:
    """What the figures of these sections mean, by name."""
    found: dict[str, str] = {}
    for section in sections:
        found |= {card.title: card.definition for card in section.cards}
        found |= {column.title: column.definition for column in section.columns if column.numeric}
    return found
