"""What a definition of a KPI table consists of.

Every column carries its definition in words and its unit as metadata of the field; the tables' comments, docs/kpis.md and whoever
shows a figure take them from there. Days and hours are UTC, and an event belongs to those of its own `event_time`, however late it
came. Money is integer cents in the row's `currency`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from shopnow.schemas import TIMESTAMP


class Source(NamedTuple):
    """A table that rows are made from: a row of date D from its rows of dates D - `back` to D + `forward`.

    `lasting`: what happens on a date concerns that date and every later one, through another table that remembers it. A source
    without dates is read whole, and what changes in it is known by the tables it is made from.
    """

    table: str
    topics: tuple[str, ...]
    date: str | None
    """The column it is partitioned by, if it has dates."""
    back: int = 0
    forward: int = 0
    lasting: bool = False


class Kpi(NamedTuple):
    """A table `kpi/…`: what a row is, what its columns mean, what it is made from.

    `restated`: once a date is over, its figures change only by what should have been there before, and that is put on record.
    """

    name: str
    title: str
    grain: str
    sources: tuple[Source, ...]
    schema: pa.Schema
    partition_by: Sequence[str] = ("date",)
    monthly: bool = False
    """Whether a `date` is a month, named by its first day."""
    restated: bool = False

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics whose events it is made from, at whatever remove."""
        return tuple(dict.fromkeys(topic for source in self.sources for topic in source.topics))

    @property
    def content(self) -> list[str]:
        """The columns that say what the KPI is, not when and from what it was made."""
        return [field.name for field in self.schema if field not in PROVENANCE]

    @property
    def key(self) -> list[str]:
        """The columns that tell one row from the others."""
        return [field.name for field in self.schema if field.metadata[b"role"] == b"key"]

    @property
    def figures(self) -> list[str]:
        """The columns that can be added up over rows of a date and currency."""
        return [field.name for field in self.schema if field.metadata[b"role"] == b"sum"]

    @property
    def window(self) -> tuple[int | None, int]:
        """How many days back and forward the events may be that a row of a date is made from; None for any number."""
        lasting = any(source.lasting or source.date is None for source in self.sources)
        return None if lasting else max(source.back for source in self.sources), max(
            source.forward for source in self.sources
        )


def events(topic: str, back: int = 0, forward: int = 0, lasting: bool = False) -> Source:
    """The events of a topic as a source."""
    return Source(f"events/{topic}", (topic,), "event_date", back, forward, lasting)


def rows_of(kpi: Kpi, back: int = 0, forward: int = 0) -> Source:
    """Another KPI as a source."""
    return Source(kpi.name, kpi.topics, kpi.partition_by[0] if kpi.partition_by else None, back, forward)


def key(name: str, kind: pa.DataType, definition: str) -> pa.Field:
    """A column that tells rows apart."""
    return _field(name, kind, definition, "", "key")


def total(name: str, definition: str, unit: str) -> pa.Field:
    """An integer that can be added up over rows."""
    return _field(name, pa.int64(), definition, unit, "sum")


def figure(name: str, kind: pa.DataType, definition: str, unit: str = "") -> pa.Field:
    """A column that cannot be added up: a share, an average, a state, a name."""
    return _field(name, kind, definition, unit, "figure")


def _field(name: str, kind: pa.DataType, definition: str, unit: str, role: str) -> pa.Field:
    return pa.field(name, kind, metadata={"comment": definition, "unit": unit, "role": role})


PROVENANCE = (
    _field(
        "raw_versions",
        pa.string(),
        "JSON: version of raw/{topic} the row was made from, by topic",
        "",
        "proof",
    ),
    _field("computed_at", TIMESTAMP, "when the row was computed", "", "proof"),
    _field(
        "missing_rows",
        pa.int64(),
        "at most so many records of its topics were lost before they were read: 0 if complete, null if unknown",
        "records",
        "proof",
    ),
    _field(
        "losses",
        pa.list_(pa.string()),
        "ids, in the table `losses`, of the losses that may concern the row",
        "",
        "proof",
    ),
    _field(
        "audit",
        pa.string(),
        "what the latest audit by then had found: holds, or what does not; null before the first",
        "",
        "proof",
    ),
)
"""The last columns of every KPI table: when and from what a row was made, and what is missing in it."""

DATE = key("date", pa.date32(), "day, UTC")
CURRENCY = key("currency", pa.string(), "ISO 4217 code; amounts of different currencies are never added")
