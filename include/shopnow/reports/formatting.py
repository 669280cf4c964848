"""Formatting of KPI rows as the cells, cards and columns of a report."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from shopnow.kpis import Kpi, values
from shopnow.reports.model import Card, Column
from shopnow.reports.numbers import Row

MISSING = "–"
_FALLING_IS_BETTER = {"refunds_cents"}


def title(name: str) -> str:
    """Return a column's name as a heading."""
    words = values.heading(name)
    return words[0].upper() + words[1:]


def cell(kpi: Kpi, name: str, row: Row, currency: str | None = None) -> str:
    """Return a figure of a row as text."""
    return values.format_value(row[name], values.unit_of(kpi.schema.field(name), row), currency, none=MISSING)


def columns(
    kpi: Kpi, names: Sequence[str], currency: str | None = None, titles: Mapping[str, str] | None = None
) -> list[Column]:
    """Return the columns; those of money name `currency`, if all amounts have it."""
    return [_column(kpi.schema.field(name), currency, (titles or {}).get(name)) for name in names]


def cells(kpi: Kpi, names: Sequence[str], rows: Sequence[Row]) -> list[list[str]]:
    return [[cell(kpi, name, row) for name in names] for row in rows]


def card(
    kpi: Kpi, name: str, row: Row, previous: Row | None, comparison: str = "", currency: str | None = None
) -> Card:
    """Return a figure with its change since the previous week; `comparison` is shown if there is none."""
    value = row[name]
    previous_value = None if previous is None else previous[name]
    is_improvement = None
    if previous is not None and previous_value is not None:
        change = None if value is None else relative_change(value, previous_value)
        previous_text = cell(kpi, name, previous)
        if change:
            comparison = f"{values.format_change(change)} from {previous_text}"
            is_improvement = (change > 0) != (name in _FALLING_IS_BETTER)
        elif value == previous_value:
            comparison = "same as a week earlier"
        else:
            comparison = f"{previous_text} a week earlier"
    definition = values.definition_of(kpi.schema.field(name))
    return Card(title(name), cell(kpi, name, row, currency), comparison, definition, is_improvement)


def relative_change(value: float, previous: float) -> float | None:
    """Return the change relative to the previous value; None if that was zero."""
    return (value - previous) / abs(previous) if previous else None


def find_row(rows: Sequence[Row], **key: Any) -> Row | None:
    """Return the first row with this key; None if there is none."""
    return next((row for row in rows if all(row[name] == value for name, value in key.items())), None)


def _column(field: pa.Field, currency: str | None, heading: str | None) -> Column:
    money = currency if currency and values.unit_of(field) == "cents" else ""
    numeric = kinds.is_integer(field.type) or kinds.is_floating(field.type)
    return Column(heading or title(field.name), values.definition_of(field), numeric, money)
