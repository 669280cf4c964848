"""From KPI rows to the cells, cards and columns of a report."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from shopnow.kpis import Kpi, values
from shopnow.reports.model import Card, Column
from shopnow.reports.numbers import Row

NONE = "–"
_FALLING_IS_BETTER = {"refunds_cents"}


def title(name: str) -> str:
    """A column's name as a heading."""
    words = values.title(name)
    return words[0].upper() + words[1:]


def cell(kpi: Kpi, name: str, row: Row, currency: str | None = None) -> str:
    """A figure of a row, in words."""
    return values.text(row[name], values.unit_of(kpi.schema.field(name), row), currency, none=NONE)


def columns(
    kpi: Kpi, names: Sequence[str], currency: str | None = None, titles: Mapping[str, str] | None = None
) -> list[Column]:
    """Headings; those of money name its currency, if all of it is in one."""
    return [_column(kpi.schema.field(name), currency, (titles or {}).get(name)) for name in names]


def cells(kpi: Kpi, names: Sequence[str], rows: Sequence[Row]) -> list[list[str]]:
    return [[cell(kpi, name, row) for name in names] for row in rows]


def card(
    kpi: Kpi, name: str, row: Row, before: Row | None, beside: str = "", currency: str | None = None
) -> Card:
    """A figure, and how it has changed since `before`; `beside` is said if there is none."""
    now = row[name]
    then = None if before is None else before[name]
    better = None
    if before is not None and then is not None:
        share = None if now is None else relative(now, then)
        was = cell(kpi, name, before)
        beside = (
            f"{values.change(share)} from {was}"
            if share
            else "as a week before"
            if now == then
            else f"{was} a week before"
        )
        better = None if not share else (share > 0) != (name in _FALLING_IS_BETTER)
    return Card(
        title(name), cell(kpi, name, row, currency), beside, values.definition(kpi.schema.field(name)), better
    )


def relative(now: float, then: float) -> float | None:
    """The change as a share of what was; None if that was nothing."""
    return (now - then) / abs(then) if then else None


def first(rows: Sequence[Row], **key: Any) -> Row | None:
    """The row with this key."""
    return next((row for row in rows if all(row[name] == value for name, value in key.items())), None)


def _column(field: pa.Field, currency: str | None, heading: str | None) -> Column:
    money = currency if currency and values.unit_of(field) == "cents" else ""
    numeric = kinds.is_integer(field.type) or kinds.is_floating(field.type)
    return Column(heading or title(field.name), values.definition(field), numeric, money)
