"""Queries of the dashboard's sales figures: all sales of a currency, or those of one category or country."""

from typing import NamedTuple

from shopnow.kpis import SALES_DAILY, SALES_HOURLY
from shopnow_tab_app.pages import provisional_sales
from shopnow_tab_app.pages.comparison import Span
from shopnow_tab_app.pages.period import Period, PeriodQuery
from shopnow_tab_app.pages.provisional_sales import Resolution, Rows
from shopnow_tab_app.replica.client import LakeReplica

TOP_PRODUCTS = 8
FUNNEL_STEPS = ("viewed", "carted", "ordered", "paid", "delivered")

Totals = dict[str, int | None]
"""Sums by column; null without data."""


class SalesOptions(NamedTuple):
    """Values that the sales can be filtered by, and the days with sales."""

    first: str | None
    last: str | None
    currencies: list[str]
    """By number of orders, highest first."""
    categories: list[str]
    countries: list[str]


class Sales:
    """Sales of a currency, optionally of one category or country."""

    def __init__(self, lake: LakeReplica, query: PeriodQuery, currency: str | None) -> None:
        self._lake, self._currency, self._category = lake, currency, query.category
        self._column = "category" if query.category else "country" if query.country else None
        self._value = query.category or query.country
        self._table = f"kpi/sales_by_{self._column}" if self._column else SALES_DAILY.name

    @property
    def is_filtered(self) -> bool:
        """True for the sales of one category or country, which are not known by the hour or by delivery."""
        return self._column is not None

    def daily(self, period: Period) -> Rows:
        """Return the figures of each day; null on days without sales."""
        condition = f"AND {self._column} = $value" if self._column else ""
        payments = (
            "payments_succeeded, payments_failed"
            if self._column != "category"
            else "NULL AS payments_succeeded, NULL AS payments_failed"
        )
        return self._lake.query(
            f"""
            SELECT day::DATE AS date, sales.* EXCLUDE (date)
            FROM generate_series($first::DATE, $last::DATE, INTERVAL 1 DAY) AS days(day) LEFT JOIN (
                SELECT date, orders, net_revenue_cents, {payments}, computed_at, missing_rows, losses, audit,
                    raw_versions
                FROM "{self._table}" WHERE currency = $currency {condition}
            ) AS sales ON sales.date = day::DATE ORDER BY 1
            """,  # noqa: S608  (names of our own; values are bound)
            {
                "currency": self._currency,
                **({"value": self._value} if self._column else {}),
                "first": period.first,
                "last": period.last,
            },
        )

    def hourly(self, period: Period) -> Rows:
        """Return proved orders and revenue of each hour, up to the last one that has sales, proved or not."""
        return self._lake.query(
            """
            WITH sales AS (
                SELECT hour, orders, net_revenue_cents FROM "kpi/sales_hourly" WHERE currency = $currency
            ), known AS (
                SELECT hour FROM sales UNION ALL SELECT hour FROM sales_now WHERE currency = $currency
            )
            SELECT start AS hour, coalesce(orders, 0) AS orders,
                coalesce(net_revenue_cents, 0) AS net_revenue_cents
            FROM generate_series(
                $first::DATE::TIMESTAMPTZ,
                least($last::DATE::TIMESTAMPTZ + INTERVAL 23 HOUR, (SELECT max(hour) FROM known)),
                INTERVAL 1 HOUR
            ) AS hours(start)
            LEFT JOIN sales ON sales.hour = start ORDER BY 1
            """,
            {"currency": self._currency, "first": period.first, "last": period.last},
        )

    def provisional(self, period: Period, resolution: Resolution) -> Rows:
        """Return the provisional part of each day or hour; none for one category or country."""
        if self._column:
            return []
        return provisional_sales.read(self._lake, self._currency, period, resolution)

    def totals(self, span: Span) -> Totals:
        """Return the sums of a span; of one category or country it has to begin and end at midnight."""
        time = "date" if self._column else "hour"
        table = self._table if self._column else SALES_HOURLY.name
        condition = f"AND {self._column} = $value" if self._column else ""
        payments = "NULL" if self._column == "category" else "sum(payments_succeeded)::BIGINT"
        return self._lake.query(
            f"""
            SELECT sum(orders)::BIGINT AS orders, sum(net_revenue_cents)::BIGINT AS net_revenue_cents,
                {payments} AS payments_succeeded
            FROM "{table}" WHERE currency = $currency AND {time} >= $start AND {time} < $end {condition}
            """,  # noqa: S608  (names of our own; values are bound)
            {
                "currency": self._currency,
                **({"value": self._value} if self._column else {}),
                **span._asdict(),
            },
        )[0]

    def top_products(self, period: Period) -> Rows:
        """Return the products with the highest GMV."""
        return self._lake.query(
            f"""
            SELECT product_id, arg_max(product_name, date) AS product_name,
                arg_max(category, date) AS category,
                sum(orders)::BIGINT AS orders, sum(units)::BIGINT AS units,
                sum(gmv_cents)::BIGINT AS gmv_cents
            FROM "kpi/top_products"
            WHERE date BETWEEN $first AND $last AND currency = $currency
                AND ($category IS NULL OR category = $category)
            GROUP BY product_id ORDER BY gmv_cents DESC, product_id LIMIT {TOP_PRODUCTS}
            """,  # noqa: S608
            {
                "currency": self._currency,
                "first": period.first,
                "last": period.last,
                "category": self._category,
            },
        )

    def deliveries(self, period: Period) -> Rows:
        """Return the deliveries of each day; none for a category or country, which deliveries do not have."""
        if self._column:
            return []
        return self._lake.query(
            'SELECT date, delivered FROM "kpi/deliveries" WHERE date BETWEEN ? AND ? ORDER BY 1', [*period]
        )

    def delivered(self, span: Span) -> Totals:
        """Return the deliveries of a span that begins and ends at midnight."""
        if self._column:
            return {}
        return self._lake.query(
            """
            SELECT sum(delivered)::BIGINT AS delivered FROM "kpi/deliveries"
            WHERE date >= $start::DATE AND date < $end::DATE
            """,
            span._asdict(),
        )[0]

    def funnel(self, period: Period) -> Rows:
        """Return the number of sessions that reached each step of the conversion funnel."""
        sums = ", ".join(f"sum({step})::BIGINT AS {step}" for step in FUNNEL_STEPS)
        funnel = self._lake.query(
            f'SELECT {sums} FROM "kpi/funnel" WHERE date BETWEEN ? AND ?',  # noqa: S608
            [*period],
        )[0]
        if funnel["viewed"] is None:
            return []
        return [{"step": step, "sessions": funnel[step]} for step in FUNNEL_STEPS]


def options(lake: LakeReplica) -> SalesOptions:
    """Return the values that the sales can be filtered by."""
    days = lake.query(
        'SELECT min(date)::VARCHAR AS first, max(date)::VARCHAR AS last FROM "kpi/sales_daily"'
    )[0]

    def values(column: str, table: str, order: str) -> list[str]:
        rows = lake.query(f'SELECT {column} AS value FROM "{table}" GROUP BY 1 ORDER BY {order}')  # noqa: S608
        return [row["value"] for row in rows]

    return SalesOptions(
        **days,
        currencies=values("currency", "kpi/sales_daily", "sum(orders) DESC, 1"),
        categories=values("category", "kpi/sales_by_category", "1"),
        countries=values("country", "kpi/sales_by_country", "1"),
    )
