"""The dashboard's cards: a figure of the period, its days, and the same figure of the previous period."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel

from shopnow.kpis import DELIVERIES, KPIS, SALES_DAILY
from shopnow_tab_app.pages.comparison import Comparison, Span
from shopnow_tab_app.pages.period import Period
from shopnow_tab_app.pages.sales import Rows, Sales, Totals

DEFINITIONS = {
    f"{kpi.name}.{field.name}": field.metadata[b"comment"].decode()
    for kpi in KPIS
    for field in kpi.schema
    if field.metadata and b"comment" in field.metadata
}
"""Definition of each figure, by table and column."""


class Card(BaseModel):
    """A figure; `value` is null where its table is missing, or has no such figure for the filter."""

    name: str
    value: int | None
    """With its provisional part."""
    provisional: int
    """The part of the value that is not in the proved KPI tables yet."""
    compared: int | None
    """The part of the value that has the same length as `before`: less than the value in a period that is
    not over."""
    before: int | None
    """The figure of the previous period, for as long; null if unknown."""
    compared_until: datetime | None
    """End of the part that is compared; null if nothing of the period is over yet."""
    unit: str
    definition: str
    spark: list[int | None]
    """The figure of each day."""


def cards(
    filtered_sales: Sales,
    period: Period,
    daily: Rows,
    provisional: Mapping[str, int],
    comparison: Comparison | None,
    by_day: Comparison | None,
) -> list[Card]:
    """Return the cards of a period.

    Args:
        filtered_sales: the sales.
        period: the period.
        daily: their figures of each day of it, provisional ones included.
        provisional: the provisional part, by column.
        comparison: what to compare; None for nothing.
        by_day: the same for deliveries, which are known by the day only.
    """
    sales = _compare(filtered_sales.totals, comparison)

    def card(name: str, table: str, column: str, unit: str, days: Rows, compared: _Compared) -> Card:
        return Card(
            name=name,
            value=_sum(days, column),
            provisional=provisional.get(column, 0),
            compared=compared.current.get(column),
            before=compared.before.get(column),
            compared_until=compared.until,
            unit=unit,
            definition=DEFINITIONS.get(f"{table}.{column}", ""),
            spark=[row[column] for row in days],
        )

    def of_sales(name: str, column: str, unit: str) -> Card:
        return card(name, SALES_DAILY.name, column, unit, daily, sales)

    delivered, deliveries = filtered_sales.deliveries(period), _compare(filtered_sales.delivered, by_day)
    return [
        of_sales("revenue", "net_revenue_cents", "cents"),
        of_sales("orders", "orders", "orders"),
        of_sales("payments", "payments_succeeded", "payments"),
        card("deliveries", DELIVERIES.name, "delivered", "deliveries", delivered, deliveries),
    ]


class _Compared(NamedTuple):
    """Sums of the part of a period that is over, and of the same part of the previous one."""

    current: Totals
    before: Totals
    until: datetime | None


def _compare(sums: Callable[[Span], Totals], comparison: Comparison | None) -> _Compared:
    if comparison is None:
        return _Compared({}, {}, None)
    return _Compared(sums(comparison.current), sums(comparison.before), comparison.current.end)


def _sum(rows: Rows, column: str) -> int | None:
    values = [row[column] for row in rows if row[column] is not None]
    return sum(values) if values else None
