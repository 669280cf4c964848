"""What changed since the previous period: products, categories and countries by their difference."""

from typing import Literal

from pydantic import BaseModel

from shopnow_tab_app.pages.comparison import Comparison
from shopnow_tab_app.pages.period import PeriodQuery
from shopnow_tab_app.replica.client import LakeReplica

PER_KIND = 4
Kind = Literal["product", "category", "country"]


class Driver(BaseModel):
    """Sales of a product (GMV), or of a category or country (net revenue), in two periods as long."""

    kind: Kind
    id: str
    name: str
    cents: int
    before_cents: int


def read(
    lake: LakeReplica, query: PeriodQuery, currency: str | None, comparison: Comparison | None
) -> list[Driver]:
    """Return those with the largest difference, by kind; none if nothing of the period is over by the day.

    Args:
        lake: replica of the lake.
        query: of its filters only a category is known by product, and a country by itself.
        currency: that of the amounts.
        comparison: what to compare, by the day.
    """
    if comparison is None or query.country:
        return []
    parameters = {
        "currency": currency,
        "category": query.category,
        "start": comparison.current.start,
        "end": comparison.current.end,
        "before_start": comparison.before.start,
        "before_end": comparison.before.end,
    }
    rows = lake.query(_DRIVERS, parameters)
    return [Driver(**row) for row in rows if query.category is None or row["kind"] == "product"]


_DRIVERS = f"""
    WITH sales AS (
        SELECT 'product' AS kind, product_id AS id, product_name AS name, date, gmv_cents AS amount
        FROM "kpi/top_products"
        WHERE currency = $currency AND ($category IS NULL OR category = $category)
        UNION ALL
        SELECT 'category', category, category, date, net_revenue_cents FROM "kpi/sales_by_category"
        WHERE currency = $currency
        UNION ALL
        SELECT 'country', country, country, date, net_revenue_cents FROM "kpi/sales_by_country"
        WHERE currency = $currency
    )
    SELECT kind, id, arg_max(name, date) AS name,
        coalesce(sum(amount) FILTER (date >= $start::DATE AND date < $end::DATE), 0)::BIGINT AS cents,
        coalesce(sum(amount) FILTER (date >= $before_start::DATE AND date < $before_end::DATE), 0)::BIGINT
            AS before_cents
    FROM sales WHERE date >= least($start, $before_start)::DATE AND date < greatest($end, $before_end)::DATE
    GROUP BY kind, id HAVING cents <> before_cents
    QUALIFY row_number() OVER (PARTITION BY kind ORDER BY abs(cents - before_cents) DESC, id) <= {PER_KIND}
    ORDER BY abs(cents - before_cents) DESC, kind, id
"""  # noqa: S608  (a number of our own)
