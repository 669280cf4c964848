"""Restatements: changes to figures of a date that were published as final, after the date's end.

The commit that replaces the figures records it in its metadata; the table `restatements` is collected from
there.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from shopnow.dates import end_of_day
from shopnow.kpis import KPIS, Kpi
from shopnow.lake.delta.commit_metadata import CommitTable

_MAX_INT64 = 2**63 - 1


class Cause(NamedTuple):
    """Why a date was recomputed: number of late events by topic, and other causes in words."""

    late_events: Mapping[str, int]
    otherwise: str = ""

    def __str__(self) -> str:
        late = ", ".join(f"{rows} in {topic}" for topic, rows in sorted(self.late_events.items()))
        return "; ".join(filter(None, [late and f"late events: {late}", self.otherwise]))


class Restatement(NamedTuple):
    """A restated figure of a date and currency, before and after."""

    kpi: str
    kpi_date: date
    currency: str
    figure: str
    before: int
    after: int
    late_events: int
    why: str


def find(kpi: Kpi, before: pa.Table, after: pa.Table, causes: Mapping[date, Cause]) -> list[Restatement]:
    """Return the figures that new rows of a KPI restate; hourly and product rows are summed.

    Args:
        before: the published rows of all dates of `after`.
        causes: why each date was recomputed.
    """
    final_dates = {
        row["date"]
        for row in before.select(["date", "computed_at"]).to_pylist()
        if row["computed_at"] >= end_of_day(row["date"])
    }
    old, new = _sums(kpi, before), _sums(kpi, after)
    restatements = []
    for key in sorted(old.keys() | new.keys()):
        if key[0] not in final_dates:
            continue
        cause = causes[key[0]]
        late = sum(cause.late_events.values())
        for figure in kpi.additive_columns:
            was, is_ = (min(sums.get(key, Counter())[figure], _MAX_INT64) for sums in (old, new))
            if was != is_:
                restatements.append(Restatement(kpi.name, *key, figure, was, is_, late, str(cause)))
    return restatements


def dumps(restatements: Iterable[Restatement]) -> str:
    """Return the restatements of a commit as JSON for its metadata."""
    document = [
        restatement._asdict() | {"kpi_date": str(restatement.kpi_date)} for restatement in restatements
    ]
    return msgspec.json.encode(document).decode()


def _sums(kpi: Kpi, rows: pa.Table) -> dict[tuple[date, str], Counter[str]]:
    sums: dict[tuple[date, str], Counter[str]] = {}
    for row in rows.select(["date", "currency", *kpi.additive_columns]).to_pylist():
        sums.setdefault((row.pop("date"), row.pop("currency")), Counter()).update(row)
    return sums


def _rows(restatements: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for restatement in restatements:
        yield restatement | {"kpi_date": date.fromisoformat(restatement["kpi_date"])}


RESTATEMENTS = CommitTable(
    table="restatements",
    key="restatement",
    columns=pa.schema(
        [
            pa.field("kpi", pa.string()),
            pa.field("kpi_date", pa.date32(), metadata={"comment": "the date whose figures changed"}),
            pa.field("currency", pa.string()),
            pa.field("figure", pa.string()),
            pa.field("before", pa.int64()),
            pa.field("after", pa.int64()),
            pa.field(
                "late_events",
                pa.int64(),
                metadata={"comment": "events the date had gained since it was last computed"},
            ),
            pa.field("why", pa.string()),
        ]
    ),
    sources=tuple(kpi.name for kpi in KPIS if kpi.tracks_restatements),
    rows=_rows,
)
"""Restated figures, from the metadata of KPI commits."""
