"""The rows behind a report as CSV files, one a table, that a spreadsheet opens as they are.

UTF-8 with a byte order mark, without which Excel takes it for another encoding; amounts in units of their currency, not in cents. Names
come from events, so from anyone: text that a spreadsheet would take for a formula has an apostrophe before it.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from shopnow.kpis import Kpi, values
from shopnow.lake.lineage.restatements import RESTATEMENTS
from shopnow.reports.numbers import REPORTED, Figures, Row

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def sheets(figures: Figures) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file; tables without rows of the day have none."""
    for kpi in REPORTED:
        if rows := figures.of(kpi):
            yield _name(figures, kpi.name), _kpi(kpi, rows)
    if figures.restated:
        yield (
            _name(figures, RESTATEMENTS.table),
            _csv(RESTATEMENTS.columns.names, map(_restatement, figures.restated)),
        )


def _name(figures: Figures, table: str) -> str:
    return f"{figures.day}-{table.removeprefix('kpi/').replace('_', '-')}.csv"


def _kpi(kpi: Kpi, rows: Sequence[Row]) -> bytes:
    fields = list(kpi.schema)
    ordered = sorted(rows, key=lambda row: [str(row[name]) for name in kpi.key])
    lines = ([_amount(row[field.name], values.unit_of(field, row)) for field in fields] for row in ordered)
    return _csv([values.plain(name, kpi.schema.names) for name in kpi.schema.names], lines)


def _restatement(row: Row) -> list[Any]:
    unit = values.unit_named(row["figure"])
    return [
        _amount(row[name], unit if name in {"before", "after"} else "") for name in RESTATEMENTS.columns.names
    ]


def _amount(value: Any, unit: str) -> Any:
    """Cents as units of the currency, written with all of their decimals; other values as they are."""
    return f"{value / 100:.2f}" if unit == "cents" and value is not None else value


def _csv(columns: Sequence[str], rows: Iterable[list[Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_plain(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case list():
            return _plain(" ".join(map(str, value)))
        case str() if value.startswith(_FORMULA) and not _is_number(value):
            return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
