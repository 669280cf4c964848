"""The dashboard: how the shop does, over some days and beside as many before them."""

import json
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from shopnow.kpis import DELIVERIES, KPIS, SALES_DAILY
from shopnow_tab_app import runs
from shopnow_tab_app.pages.charts import Chart, chart
from shopnow_tab_app.pages.period import Period, PeriodQuery, period
from shopnow_tab_app.replica.client import Lake
from shopnow_tab_app.replica.protocol import State
from shopnow_tab_app.response_cache import Answer, as_of, missing

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
"""Of so many days at most sales are shown by the hour."""
TOP = 8

DEFINITIONS = {
    f"{kpi.name}.{field.name}": field.metadata[b"comment"].decode()
    for kpi in KPIS
    for field in kpi.schema
    if field.metadata and b"comment" in field.metadata
}
"""What each figure means, in words, by table and column."""


class Card(BaseModel):
    """A figure; `value` is null where it is not kept by what was asked for, or its table is not there."""

    name: str
    value: int | None
    before: int | None
    """The same over the period before; null if nothing is known of it."""
    unit: str
    definition: str
    spark: list[int | None]
    """By day."""


class Completeness(BaseModel):
    """Whether all records are in the figures."""

    complete: bool
    missing_rows: int | None
    """At most so many records are missing; null if nobody knows."""
    losses: list[str]
    """Ids, in the table `losses`."""
    audit: str | None
    """What the latest audit found: `holds`, or what does not hold; null before the first."""


class Freshness(BaseModel):
    """When, and by which run, the figures were made."""

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
    """What can be chosen."""

    first: str | None
    last: str | None
    currencies: list[str]
    categories: list[str]
    countries: list[str]


class Dashboard(Answer):
    period: tuple[str, str]
    currency: str | None
    cards: list[Card]
    completeness: Completeness
    freshness: Freshness
    charts: dict[str, Chart]
    top_products: list[Product]
    at_risk: list[AtRisk]
    options: Options


def dashboard(lake: Lake, asked: PeriodQuery, state: State) -> Dashboard:
    """All of the page but its latest activity."""
    days = period(lake, asked)
    options = _options(lake)
    currency = asked.currency or (options.currencies[0] if options.currencies else None)
    scope = _Scope(lake, asked, currency)
    daily = scope.daily(days)
    return Dashboard(
        as_of=as_of(state),
        missing=missing(state),
        period=(days.first.isoformat(), days.last.isoformat()),
        currency=currency,
        cards=scope.cards(days, daily),
        completeness=_completeness(lake, daily),
        freshness=_freshness(daily),
        charts=scope.charts(days, daily),
        top_products=[Product(**row) for row in scope.top(days)],
        at_risk=at_risk(lake, TOP),
        options=options,
    )


class _Scope:
    """Sales of a currency: all, or those of a category or a country."""

    def __init__(self, lake: Lake, asked: PeriodQuery, currency: str | None) -> None:
        self.lake = lake
        self.column = "category" if asked.category else "country" if asked.country else None
        self.value = asked.category or asked.country
        self.currency = currency
        self.table = f"kpi/sales_by_{self.column}" if self.column else SALES_DAILY.name
        self.category = asked.category

    def daily(self, days: Period) -> list[dict[str, Any]]:
        """Each day's figures; null on days without sales."""
        condition = f"AND {self.column} = $value" if self.column else ""
        payments = (
            "payments_succeeded, payments_failed"
            if self.column != "category"
            else "NULL AS payments_succeeded, NULL AS payments_failed"
        )
        return self.lake.query(
            f"""
            SELECT day::DATE AS date, sales.* EXCLUDE (date)
            FROM generate_series($first::DATE, $last::DATE, INTERVAL 1 DAY) AS days(day) LEFT JOIN (
                SELECT date, orders, net_revenue_cents, {payments}, computed_at, missing_rows, losses, audit, raw_versions
                FROM "{self.table}" WHERE currency = $currency {condition}
            ) AS sales ON sales.date = day::DATE ORDER BY 1
            """,  # noqa: S608  (names of our own; values are bound)
            {**self._bound(), "first": days.first, "last": days.last},
        )

    def cards(self, days: Period, daily: list[dict[str, Any]]) -> list[Card]:
        before = self.daily(days.before)

        def card(
            name: str,
            column: str,
            unit: str,
            now: list[dict[str, Any]],
            then: list[dict[str, Any]],
            table: str,
        ) -> Card:
            return Card(
                name=name,
                value=_sum(now, column),
                before=_sum(then, column),
                unit=unit,
                definition=DEFINITIONS.get(f"{table}.{column}", ""),
                spark=[row[column] for row in now],
            )

        delivered, delivered_before = self._deliveries(days), self._deliveries(days.before)
        return [
            card("orders", "orders", "orders", daily, before, SALES_DAILY.name),
            card("payments", "payments_succeeded", "payments", daily, before, SALES_DAILY.name),
            card("deliveries", "delivered", "deliveries", delivered, delivered_before, DELIVERIES.name),
            card("revenue", "net_revenue_cents", "cents", daily, before, SALES_DAILY.name),
        ]

    def charts(self, days: Period, daily: list[dict[str, Any]]) -> dict[str, Chart]:
        hourly = not self.column and days.days <= HOURLY_DAYS
        sales = (
            self._hourly(days) if hourly else [{**row, "revenue": row["net_revenue_cents"]} for row in daily]
        )
        return {
            "orders": chart("orders", sales, "hour" if hourly else "date", orders="orders", revenue="cents"),
            "payments": chart(
                "payments", daily, "date", payments_succeeded="payments", payments_failed="payments"
            ),
            "funnel": chart("funnel", self._funnel(days), "step", sessions="sessions"),
        }

    def top(self, days: Period) -> list[dict[str, Any]]:
        return self.lake.query(
            f"""
            SELECT product_id, arg_max(product_name, date) AS product_name, arg_max(category, date) AS category,
                sum(orders)::BIGINT AS orders, sum(units)::BIGINT AS units, sum(gmv_cents)::BIGINT AS gmv_cents
            FROM "kpi/top_products"
            WHERE date BETWEEN $first AND $last AND currency = $currency AND ($category IS NULL OR category = $category)
            GROUP BY product_id ORDER BY gmv_cents DESC, product_id LIMIT {TOP}
            """,  # noqa: S608
            {"currency": self.currency, "first": days.first, "last": days.last, "category": self.category},
        )

    def _hourly(self, days: Period) -> list[dict[str, Any]]:
        return self.lake.query(
            """
            WITH sales AS (
                SELECT hour, orders, net_revenue_cents FROM "kpi/sales_hourly"
                WHERE currency = $currency AND date BETWEEN $first AND $last
            )
            SELECT start AS hour, coalesce(orders, 0) AS orders, coalesce(net_revenue_cents, 0) AS revenue
            FROM generate_series((SELECT min(hour) FROM sales), (SELECT max(hour) FROM sales), INTERVAL 1 HOUR) AS hours(start)
            LEFT JOIN sales ON sales.hour = start ORDER BY 1
            """,
            {"currency": self.currency, "first": days.first, "last": days.last},
        )

    def _deliveries(self, days: Period) -> list[dict[str, Any]]:
        """By day; nothing for a category or country, which deliveries do not tell."""
        if self.column:
            return []
        return self.lake.query(
            'SELECT date, delivered FROM "kpi/deliveries" WHERE date BETWEEN ? AND ? ORDER BY 1', [*days]
        )

    def _funnel(self, days: Period) -> list[dict[str, Any]]:
        steps = ("viewed", "carted", "ordered", "paid", "delivered")
        sums = ", ".join(f"sum({step})::BIGINT AS {step}" for step in steps)
        found = self.lake.query(f'SELECT {sums} FROM "kpi/funnel" WHERE date BETWEEN ? AND ?', [*days])[0]  # noqa: S608
        return [] if found["viewed"] is None else [{"step": step, "sessions": found[step]} for step in steps]

    def _bound(self) -> dict[str, Any]:
        return {"currency": self.currency, **({"value": self.value} if self.column else {})}


def at_risk(lake: Lake, limit: int) -> list[AtRisk]:
    """Products that run out first."""
    rows = lake.query(
        """
        SELECT product_id, stock.product_name, stock.quantity, days_of_cover, reorder_point
        FROM "kpi/stock_position" AS stock LEFT JOIN "kpi/stock_cover" AS cover USING (product_id)
        WHERE stock.stock_out OR below_reorder_point OR cover.product_id IS NULL
        ORDER BY stock.quantity = 0 DESC, coalesce(days_of_cover, stock.quantity), product_id LIMIT ?
        """,
        [limit],
    )
    return [AtRisk(**row) for row in rows]


def _options(lake: Lake) -> Options:
    span = lake.query(
        'SELECT min(date)::VARCHAR AS first, max(date)::VARCHAR AS last FROM "kpi/sales_daily"'
    )[0]

    def values(column: str, table: str, order: str) -> list[str]:
        found = lake.query(f'SELECT {column} AS value FROM "{table}" GROUP BY 1 ORDER BY {order}')  # noqa: S608
        return [row["value"] for row in found]

    return Options(
        **span,
        currencies=values("currency", "kpi/sales_daily", "sum(orders) DESC, 1"),
        categories=values("category", "kpi/sales_by_category", "1"),
        countries=values("country", "kpi/sales_by_country", "1"),
    )


def _completeness(lake: Lake, daily: list[dict[str, Any]]) -> Completeness:
    rows = [row for row in daily if row["computed_at"]]
    losses = sorted({loss for row in rows for loss in row["losses"] or ()})
    newest = max(rows, key=lambda row: row["computed_at"], default=None)
    known = {
        row["id"]: row["missing_rows"]
        for row in lake.query(
            "SELECT topic || '/' || partition || '/' || start_offset || '-' || coalesce((end_offset - 1)::VARCHAR, '') AS id, "
            "missing_rows FROM losses"
        )
    }
    missing_rows = [known.get(loss) for loss in losses]
    return Completeness(
        complete=not losses,
        missing_rows=None if None in missing_rows else sum(number or 0 for number in missing_rows),
        losses=losses,
        audit=newest and newest["audit"],
    )


def _freshness(daily: list[dict[str, Any]]) -> Freshness:
    newest = max(
        (row for row in daily if row["computed_at"]), key=lambda row: row["computed_at"], default=None
    )
    if newest is None:
        return Freshness(computed_at=None, run=None, raw_versions={})
    return Freshness(
        computed_at=newest["computed_at"],
        run=runs.at("compute_kpis", newest["computed_at"]),
        raw_versions=json.loads(newest["raw_versions"] or "{}"),
    )


def _sum(rows: list[dict[str, Any]], column: str) -> int | None:
    values = [row[column] for row in rows if row[column] is not None]
    return sum(values) if values else None
