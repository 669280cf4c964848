"""Building blocks of the KPI definitions.

The metadata of each column holds its definition in words and its unit; table comments, docs/kpis.md and all
displays use them. Days and hours are UTC, and an event counts in those of its own `event_time`, however late
it arrived. Money is integer cents in the row's `currency`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from shopnow.schemas import TIMESTAMP


class Source(NamedTuple):
    """A source of a KPI: a row of date D is computed from its rows of dates D - `back` to D + `forward`.

    A source without dates is read completely. Which dates its changes affect cannot be seen in it, so a KPI
    by date that has such a source also has the source that it accumulates, with `is_cumulative`.
    """

    table: str
    topics: tuple[str, ...]
    date: str | None
    """Its date column, which partitions it; None if it has no dates."""
    back: int = 0
    """Days before the row's date."""
    forward: int = 0
    """Days after the row's date."""
    is_cumulative: bool = False
    """Whether a change on a date affects all later dates too: another source of the KPI accumulates it."""


class Kpi(NamedTuple):
    """Definition of a table `kpi/…`: its grain, its columns and its sources."""

    name: str
    title: str
    grain: str
    """What one row stands for."""
    sources: tuple[Source, ...]
    schema: pa.Schema
    partition_by: Sequence[str] = ("date",)
    is_monthly: bool = False
    """Whether `date` stands for a month, by its first day."""
    tracks_restatements: bool = False
    """Whether a change of a past date is recorded as a restatement."""

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics it is computed from, directly or through other tables."""
        return tuple(dict.fromkeys(topic for source in self.sources for topic in source.topics))

    @property
    def value_columns(self) -> list[str]:
        """The columns without the provenance columns."""
        return [field.name for field in self.schema if field not in PROVENANCE]

    @property
    def key_columns(self) -> list[str]:
        """The columns that identify a row."""
        return [field.name for field in self.schema if field.metadata[b"role"] == b"key"]

    @property
    def additive_columns(self) -> list[str]:
        """The columns that can be summed over rows of a date and currency."""
        return [field.name for field in self.schema if field.metadata[b"role"] == b"sum"]

    @property
    def window(self) -> tuple[int | None, int]:
        """Days back and forward of the events that affect a row; None if unlimited."""
        is_unlimited = any(source.is_cumulative or source.date is None for source in self.sources)
        back = None if is_unlimited else max(source.back for source in self.sources)
        return back, max(source.forward for source in self.sources)


def events(topic: str, back: int = 0, forward: int = 0, is_cumulative: bool = False) -> Source:
    """Return the events of a topic as a source."""
    return Source(f"events/{topic}", (topic,), "event_date", back, forward, is_cumulative)


def rows_of(kpi: Kpi, back: int = 0, forward: int = 0) -> Source:
    """Return another KPI as a source."""
    return Source(kpi.name, kpi.topics, kpi.partition_by[0] if kpi.partition_by else None, back, forward)


def key(name: str, kind: pa.DataType, definition: str) -> pa.Field:
    """Define a column of the key."""
    return _field(name, kind, definition, "", "key")


def total(name: str, definition: str, unit: str) -> pa.Field:
    """Define an additive integer column."""
    return _field(name, pa.int64(), definition, unit, "sum")


def figure(name: str, kind: pa.DataType, definition: str, unit: str = "") -> pa.Field:
    """Define a non-additive column: a share, an average, a state, a name."""
    return _field(name, kind, definition, unit, "figure")


def _field(name: str, kind: pa.DataType, definition: str, unit: str, role: str) -> pa.Field:
    return pa.field(name, kind, metadata={"comment": definition, "unit": unit, "role": role})


PROVENANCE = (
    _field(
        "raw_versions",
        pa.string(),
        "JSON: version of raw/{topic} from which the row was computed, by topic",
        "",
        "provenance",
    ),
    _field("computed_at", TIMESTAMP, "time when the row was computed", "", "provenance"),
    _field(
        "missing_rows",
        pa.int64(),
        "upper bound on records of its topics lost before they were read: 0 if complete, null if unknown",
        "records",
        "provenance",
    ),
    _field(
        "losses",
        pa.list_(pa.string()),
        "ids, in the table `losses`, of the losses that may affect the row",
        "",
        "provenance",
    ),
    _field(
        "audit",
        pa.string(),
        "result of the latest audit before the row was computed: holds, or the failed checks; null before "
        "the first audit",
        "",
        "provenance",
    ),
)
"""The last columns of every KPI table: when and from what a row was computed, and how complete it is."""

DATE = key("date", pa.date32(), "day, UTC")
CURRENCY = key("currency", pa.string(), "ISO 4217 code; amounts of different currencies are never added")
