"""The rows behind a report as CSV files, one per table, with amounts in currency units instead of cents."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from shopnow import csv_text
from shopnow.kpis import Kpi, values
from shopnow.lake.lineage.restatements import RESTATEMENTS
from shopnow.reports.numbers import REPORTED, Figures, Row


def csv_files(figures: Figures) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield the name of each file and a function that makes it; a table without rows of the day has none."""
    for kpi in REPORTED:
        if rows := figures.rows_of(kpi):
            yield _file_name(figures, kpi.name), partial(_kpi_file, kpi, rows)
    if figures.restated:
        yield _file_name(figures, RESTATEMENTS.table), partial(_restatements_file, figures.restated)


def _restatements_file(rows: Sequence[Row]) -> bytes:
    return csv_text.encode_file(RESTATEMENTS.columns.names, map(_restatement, rows))


def _file_name(figures: Figures, table: str) -> str:
    return f"{figures.day}-{table.removeprefix('kpi/').replace('_', '-')}.csv"


def _kpi_file(kpi: Kpi, rows: Sequence[Row]) -> bytes:
    fields = list(kpi.schema)
    ordered = sorted(rows, key=lambda row: [str(row[name]) for name in kpi.key_columns])
    columns = [values.column_label(name, kpi.schema.names) for name in kpi.schema.names]
    return csv_text.encode_file(
        columns,
        ([_cell(row[field.name], values.unit_of(field, row)) for field in fields] for row in ordered),
    )


def _restatement(row: Row) -> list[Any]:
    unit = values.unit_of_figure(row["figure"])
    return [
        _cell(row[name], unit if name in {"before", "after"} else "") for name in RESTATEMENTS.columns.names
    ]


def _cell(value: Any, unit: str) -> Any:
    """Format a value: cents in currency units with two decimals, times in UTC, lists separated by blanks."""
    if unit == "cents" and value is not None:
        return f"{value / 100:.2f}"
    match value:
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case list():
            return " ".join(map(str, value))
    return value
