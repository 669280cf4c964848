"""The dashboard: figures of a period and the previous one, charts, top products and stock at risk."""

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import zip_longest
from typing import Any

from pydantic import BaseModel

from shopnow.kpis import SALES_DAILY
from shopnow_tab_app.pages import drivers, provisional_sales, sales
from shopnow_tab_app.pages.cards import Card, cards
from shopnow_tab_app.pages.charts import Chart, chart
from shopnow_tab_app.pages.comparison import compare, previous_period
from shopnow_tab_app.pages.csv_export import Export, ListingExport, ResponseExport
from shopnow_tab_app.pages.drivers import Driver
from shopnow_tab_app.pages.paging import Filter, Listing
from shopnow_tab_app.pages.period import Period, PeriodQuery, resolve_period
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.response import PageResponse, as_of, missing
from shopnow_tab_app.pages.sales import Rows, Sales
from shopnow_tab_app.pages.text_tables import TextTable
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.protocol import ReplicaState
from shopnow_tab_app.replica.tables import SALES_NOW, with_sources
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
    *with_sources(SALES_NOW.table),
)
HOURLY_DAYS = 3
"""Longest period, in days, whose sales are shown by the hour."""
AT_RISK_PRODUCTS = 8
CHARTS = ("orders", "revenue", "payments", "funnel")
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
    drivers: list[Driver]
    """What changed most since the previous period, largest difference first."""
    top_products: list[Product]
    at_risk: list[AtRisk]
    options: Options


SHOWN_PRODUCTS = TextTable(
    "top_products", ("product_name", "category", "units", "amount"), {"category": "category"}, "gmv_cents"
)
SHOWN_AT_RISK = TextTable("stock_at_risk", ("product_name", "quantity", "days_of_cover"))
SHOWN_SALES = TextTable("sales_daily", ("date", "orders", "units", "amount"), amount="net_revenue_cents")
SALES_LISTING = Listing(SALES_DAILY.name, _SALES_DAILY, ("currency",), "currency", "date")


def filter_sales(lake: LakeReplica, query: Query) -> Filter:
    """Return the condition of the days that a request asks for; by default all."""
    return SALES_LISTING.filter(
        {"currency": query.period.currency},
        resolve_period(lake, query.period) if query.period.is_chosen else None,
    )


EXPORTS: Mapping[str, Export] = {
    "top_products": ResponseExport(SHOWN_PRODUCTS, Product, lambda page: page.top_products),
    "stock_at_risk": ResponseExport(SHOWN_AT_RISK, AtRisk, lambda page: page.at_risk),
    "sales_daily": ListingExport(SHOWN_SALES, SALES_LISTING, filter_sales),
}


def build(lake: LakeReplica, query: PeriodQuery, now: datetime, state: ReplicaState) -> Dashboard:
    """Build the page, except its latest events.

    Args:
        lake: replica of the lake.
        query: the period and the filter.
        now: the current time, which decides what of the period is over.
        state: state of the replica.
    """
    period = resolve_period(lake, query)
    previous = previous_period(period, query.preset)
    options = sales.options(lake)
    currency = query.currency or (options.currencies[0] if options.currencies else None)
    filtered_sales = Sales(lake, query, currency)
    daily = filtered_sales.daily(period)
    provisional = filtered_sales.provisional(period, provisional_sales.DAILY)
    latest = provisional_sales.add(daily, provisional, "date")
    # Hours that are not computed yet cannot be compared.
    newest = _last_computed(daily)
    over = min(now, newest["computed_at"]) if newest else now
    comparison = compare(period, previous, over, is_hourly=not filtered_sales.is_filtered)
    by_day = compare(period, previous, over, is_hourly=False)
    return Dashboard(
        as_of=as_of(state),
        missing=missing(state),
        period=(period.first.isoformat(), period.last.isoformat()),
        currency=currency,
        cards=cards(filtered_sales, period, latest, provisional_sales.total(provisional), comparison, by_day),
        completeness=_completeness(lake, daily),
        freshness=_freshness(daily),
        drivers=drivers.read(lake, query, currency, by_day),
        charts=_charts(filtered_sales, period, previous, latest, provisional),
        top_products=[Product(**row) for row in filtered_sales.top_products(period)],
        at_risk=_at_risk(lake),
        options=Options(**options._asdict()),
    )


def _charts(
    filtered_sales: Sales, period: Period, previous: Period, daily: Rows, provisional: Rows
) -> dict[str, Chart]:
    """Return the charts; `daily` contains `provisional`, the provisional figures of days."""
    is_hourly = not filtered_sales.is_filtered and period.days <= HOURLY_DAYS
    if is_hourly:
        label, before = "hour", filtered_sales.hourly(previous)
        parts = filtered_sales.provisional(period, provisional_sales.HOURLY)
        rows = provisional_sales.add(filtered_sales.hourly(period), parts, label)
    else:
        label, before, rows, parts = "date", filtered_sales.daily(previous), daily, provisional

    def over_time(name: str, column: str, unit: str) -> Chart:
        """A line, and one of the previous period whose points are at the same distance from its start."""
        current = [{label: row[label], name: row[column]} for row in rows]
        for row, earlier in zip_longest(current, before[: len(current)]):
            row[f"{name}_before"] = earlier and earlier[column]
        return chart(
            name, current, label, [part[label] for part in parts], **{name: unit, f"{name}_before": unit}
        )

    return {
        "orders": over_time("orders", "orders", "orders"),
        "revenue": over_time("revenue", "net_revenue_cents", "cents"),
        "payments": chart(
            "payments",
            daily,
            "date",
            [part["date"] for part in provisional],
            payments_succeeded="payments",
            payments_failed="payments",
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
