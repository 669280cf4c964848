"""The dashboard: figures of a period and the previous one, charts, top products and stock at risk."""

import json
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from shopnow.kpis import DELIVERIES, KPIS, SALES_DAILY
from shopnow_tab_app.pages import sales
from shopnow_tab_app.pages.charts import Chart, chart
from shopnow_tab_app.pages.paging import Listing
from shopnow_tab_app.pages.period import Period, PeriodQuery, resolve_period
from shopnow_tab_app.pages.response import PageResponse, as_of, missing
from shopnow_tab_app.pages.sales import Rows, Sales
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.protocol import ReplicaState
from shopnow_tab_app.sources import runs

TABLES = (
    "kpi/sales_daily",
    "kpi/sales_hourly",
    "kpi/sales_by_category",
    "kpi/sales_by_country",
    "kpi/top_products",
    "kpi/funnel",
    "kpi/deliveries",
    "kpi/stock_position",
    "kpi/stock_cover",
    "losses",
)
HOURLY_DAYS = 3
"""Longest period, in days, whose sales are shown by the hour."""
AT_RISK_PRODUCTS = 8
CHARTS = ("orders", "payments", "funnel")
_TOP_PRODUCTS = (
    "date",
    "currency",
    "rank",
    "product_id",
    "product_name",
    "category",
    "orders",
    "units",
    "gmv_cents",
)
_SALES_DAILY = (
    "date",
    "currency",
    "orders",
    "units",
    "gmv_cents",
    "payments_succeeded",
    "payments_failed",
    "net_revenue_cents",
    "missing_rows",
)
EXPORTS = {
    "top_products": Listing("kpi/top_products", _TOP_PRODUCTS, ("product_name",), "product_id"),
    "sales_daily": Listing("kpi/sales_daily", _SALES_DAILY, ("currency",), "date"),
}

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
    before: int | None
    """The figure of the previous period; null if unknown."""
    unit: str
    definition: str
    spark: list[int | None]
    """The figure of each day."""


class Completeness(BaseModel):
    """Whether all records are in the figures."""

    complete: bool
    missing_rows: int | None
    """Upper bound on the missing records; null if unknown."""
    losses: list[str]
    """Ids in the table `losses`."""
    audit: str | None
    """Result of the latest audit: `holds`, or which checks failed; null before the first."""


class Freshness(BaseModel):
    """When, and by which run, the figures were computed."""

    computed_at: datetime | None
    run: runs.Run | None
    raw_versions: dict[str, int | None]


class Product(BaseModel):
    product_id: str
    product_name: str
    category: str
    orders: int
    units: int
    gmv_cents: int


class AtRisk(BaseModel):
    product_id: str
    product_name: str
    quantity: int
    days_of_cover: float | None
    reorder_point: int | None


class Options(BaseModel):
    """Values that the figures can be filtered by."""

    first: str | None
    last: str | None
    currencies: list[str]
    categories: list[str]
    countries: list[str]


class Dashboard(PageResponse):
    period: tuple[str, str]
    currency: str | None
    cards: list[Card]
    completeness: Completeness
    freshness: Freshness
    charts: dict[str, Chart]
    top_products: list[Product]
    at_risk: list[AtRisk]
    options: Options


def build(lake: LakeReplica, query: PeriodQuery, state: ReplicaState) -> Dashboard:
    """Build the page, except its latest events."""
    period = resolve_period(lake, query)
    options = sales.options(lake)
    currency = query.currency or (options.currencies[0] if options.currencies else None)
    filtered_sales = Sales(lake, query, currency)
    daily = filtered_sales.daily(period)
    return Dashboard(
        as_of=as_of(state),
        missing=missing(state),
        period=(period.first.isoformat(), period.last.isoformat()),
        currency=currency,
        cards=_cards(filtered_sales, period, daily),
        completeness=_completeness(lake, daily),
        freshness=_freshness(daily),
        charts=_charts(filtered_sales, period, daily),
        top_products=[Product(**row) for row in filtered_sales.top_products(period)],
        at_risk=_at_risk(lake),
        options=Options(**options._asdict()),
    )


def _cards(filtered_sales: Sales, period: Period, daily: Rows) -> list[Card]:
    before = filtered_sales.daily(period.before)
    delivered, delivered_before = filtered_sales.deliveries(period), filtered_sales.deliveries(period.before)

    def card(name: str, table: str, column: str, unit: str, days: Rows, days_before: Rows) -> Card:
        return Card(
            name=name,
            value=_sum(days, column),
            before=_sum(days_before, column),
            unit=unit,
            definition=DEFINITIONS.get(f"{table}.{column}", ""),
            spark=[row[column] for row in days],
        )

    return [
        card("orders", SALES_DAILY.name, "orders", "orders", daily, before),
        card("payments", SALES_DAILY.name, "payments_succeeded", "payments", daily, before),
        card("deliveries", DELIVERIES.name, "delivered", "deliveries", delivered, delivered_before),
        card("revenue", SALES_DAILY.name, "net_revenue_cents", "cents", daily, before),
    ]


def _charts(filtered_sales: Sales, period: Period, daily: Rows) -> dict[str, Chart]:
    is_hourly = not filtered_sales.is_filtered and period.days <= HOURLY_DAYS
    orders = (
        filtered_sales.hourly(period)
        if is_hourly
        else [{**row, "revenue": row["net_revenue_cents"]} for row in daily]
    )
    return {
        "orders": chart("orders", orders, "hour" if is_hourly else "date", orders="orders", revenue="cents"),
        "payments": chart(
            "payments", daily, "date", payments_succeeded="payments", payments_failed="payments"
        ),
        "funnel": chart("funnel", filtered_sales.funnel(period), "step", sessions="sessions"),
    }


def _at_risk(lake: LakeReplica) -> list[AtRisk]:
    """Return the products that will run out first."""
    rows = lake.query(
        """
        SELECT product_id, stock.product_name, stock.quantity, days_of_cover, reorder_point
        FROM "kpi/stock_position" AS stock LEFT JOIN "kpi/stock_cover" AS cover USING (product_id)
        WHERE stock.stock_out OR below_reorder_point OR cover.product_id IS NULL
        ORDER BY stock.quantity = 0 DESC, coalesce(days_of_cover, stock.quantity), product_id LIMIT ?
        """,
        [AT_RISK_PRODUCTS],
    )
    return [AtRisk(**row) for row in rows]


def _completeness(lake: LakeReplica, daily: Rows) -> Completeness:
    rows = [row for row in daily if row["computed_at"]]
    losses = sorted({loss for row in rows for loss in row["losses"] or ()})
    newest = _last_computed(daily)
    missing_by_loss = {
        row["id"]: row["missing_rows"]
        for row in lake.query(
            """
            SELECT topic || '/' || partition || '/' || start_offset || '-'
                || coalesce((end_offset - 1)::VARCHAR, '') AS id, missing_rows
            FROM losses
            """
        )
    }
    missing_rows = [missing_by_loss.get(loss) for loss in losses]
    return Completeness(
        complete=not losses,
        missing_rows=None if None in missing_rows else sum(count or 0 for count in missing_rows),
        losses=losses,
        audit=newest and newest["audit"],
    )


def _freshness(daily: Rows) -> Freshness:
    newest = _last_computed(daily)
    if newest is None:
        return Freshness(computed_at=None, run=None, raw_versions={})
    return Freshness(
        computed_at=newest["computed_at"],
        run=runs.find_active_run("compute_kpis", newest["computed_at"]),
        raw_versions=json.loads(newest["raw_versions"] or "{}"),
    )


def _last_computed(daily: Rows) -> dict[str, Any] | None:
    computed = (row for row in daily if row["computed_at"])
    return max(computed, key=lambda row: row["computed_at"], default=None)


def _sum(rows: Rows, column: str) -> int | None:
    values = [row[column] for row in rows if row[column] is not None]
    return sum(values) if values else None
