"""The page of a product: its stock, sales and stock-outs over a period, and its alerts."""

from datetime import datetime

from pydantic import BaseModel

from shopnow_tab_app.pages import alerts, stock
from shopnow_tab_app.pages.alerts import Alert
from shopnow_tab_app.pages.charts import Chart, chart
from shopnow_tab_app.pages.period import Period, resolve_period
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.response import PageResponse, as_of, missing
from shopnow_tab_app.pages.stock import Shelf
from shopnow_tab_app.pages.text_tables import TextTable
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.protocol import ReplicaState

TABLES = (
    "kpi/stock_position",
    "kpi/stock_cover",
    "kpi/stock_daily",
    "kpi/stock_outs",
    "kpi/top_products",
    "kpi/sales_daily",
    "alerts",
)
MAX_STOCK_OUTS = 50
CHARTS = ("product_units", "product_sales", "product_stock")


class StockOut(BaseModel):
    """A time without the product on hand, and the sales that were probably lost."""

    started_at: datetime
    ended_at: datetime | None
    """Null while it lasts."""
    lost_units: float | None
    lost_cents: int | None
    currency: str | None


class ProductPage(PageResponse):
    period: tuple[str, str]
    currency: str | None
    shelf: Shelf | None
    """Null if no product of this id has stock."""
    category: str | None
    units: int
    """Pieces ordered in the period, in any currency."""
    gmv_cents: int
    """The value, before discounts, of those in the currency of the page."""
    charts: dict[str, Chart]
    stock_outs: list[StockOut]
    """The newest first, of all times."""
    alerts: list[Alert]


SHOWN = TextTable("stock_outs", ("started_at", "ended_at", "lost_units", "amount"), amount="lost_cents")


def build(lake: LakeReplica, now: datetime, query: Query, state: ReplicaState) -> ProductPage:
    """Build the page of the product that `product_id` names."""
    product = query.choices.get("product_id") or ""
    period = resolve_period(lake, query.period)
    [attributes] = lake.query(_ATTRIBUTES, [product])
    currency = query.period.currency or attributes["currency"]
    daily = lake.query(_DAILY, {"id": product, "currency": currency, **period._asdict()})
    return ProductPage(
        as_of=as_of(state),
        missing=missing(state),
        period=(period.first.isoformat(), period.last.isoformat()),
        currency=currency,
        shelf=next((Shelf(**row) for row in stock.read_shelves(lake, product)), None),
        category=attributes["category"],
        units=sum(row["units"] for row in daily),
        gmv_cents=sum(row["gmv_cents"] for row in daily),
        charts={
            "product_units": chart("product_units", daily, "date", units="pieces"),
            "product_sales": chart("product_sales", daily, "date", gmv_cents="cents"),
            "product_stock": chart("product_stock", _stock(lake, product, period), "date", closing="pieces"),
        },
        stock_outs=[StockOut(**row) for row in _stock_outs(lake, product)],
        alerts=[alert for alert in alerts.read(lake, now).active if alert.subject == product],
    )


_ATTRIBUTES = """
    SELECT arg_max(category, date) AS category, arg_max(currency, bought) AS currency FROM (
        SELECT category, date, currency, sum(units) OVER (PARTITION BY currency) AS bought
        FROM "kpi/top_products" WHERE product_id = ?
    )
"""
"""Its category, and the currency with most pieces ordered."""
_DAILY = """
    SELECT day::DATE AS date, coalesce(sum(units), 0)::BIGINT AS units,
        coalesce(sum(gmv_cents) FILTER (currency = $currency), 0)::BIGINT AS gmv_cents
    FROM generate_series($first::DATE, $last::DATE, INTERVAL 1 DAY) AS days(day)
    LEFT JOIN "kpi/top_products" AS sales ON sales.date = day::DATE AND product_id = $id
    GROUP BY 1 ORDER BY 1
"""


def _stock(lake: LakeReplica, product: str, period: Period) -> list[dict]:
    """Return the pieces on hand at the end of each day; null before the first stock event."""
    return lake.query(
        """
        SELECT day::DATE AS date, last_value(closing IGNORE NULLS) OVER (ORDER BY day) AS closing
        FROM generate_series(
            least($first::DATE, (SELECT min(date) FROM "kpi/stock_daily" WHERE product_id = $id)),
            $last::DATE, INTERVAL 1 DAY
        ) AS days(day)
        LEFT JOIN (SELECT date, closing FROM "kpi/stock_daily" WHERE product_id = $id) AS stock
            ON stock.date = day::DATE
        QUALIFY day >= $first::DATE ORDER BY 1
        """,
        {"id": product, **period._asdict()},
    )


def _stock_outs(lake: LakeReplica, product: str) -> list[dict]:
    return lake.query(
        f"""
        SELECT started_at, ended_at, lost_units, lost_cents, currency FROM "kpi/stock_outs"
        WHERE product_id = ? ORDER BY started_at DESC LIMIT {MAX_STOCK_OUTS}
        """,  # noqa: S608  (a number of our own)
        [product],
    )
