"""The orders page: a table of all orders."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from shopnow_tab_app.pages.csv_export import ListingExport
from shopnow_tab_app.pages.paging import Filter, Listing
from shopnow_tab_app.pages.period import Period, resolve_period
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.response import PageResponse, as_of, missing
from shopnow_tab_app.pages.text_tables import TextTable
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.protocol import ReplicaState
from shopnow_tab_app.replica.tables import ORDERS_NOW, with_sources

Status = Literal["placed", "failed", "paid", "in_transit", "delivered", "refunded", "cancelled"]
TABLES = with_sources(ORDERS_NOW.table)


class Order(BaseModel):
    order_id: str
    customer_id: str
    customer_name: str
    country: str
    product: str
    """Name of its first product."""
    products: int
    units: int
    total_cents: int
    currency: str
    event_time: datetime
    status: Status
    provisional: bool
    """From records that the lake does not have yet; proved figures do not contain it."""


class Orders(PageResponse):
    rows: list[Order]
    total: int
    """Number of rows on all pages."""
    statuses: dict[str, int]
    """Number of orders of the period by status, without search or chosen status."""


LISTING = Listing(
    ORDERS_NOW.table,
    list(Order.model_fields),
    ("order_id", "customer_id", "customer_name", "product"),
    "order_id",
    "event_time",
)
SHOWN = TextTable(
    "page_orders",
    ("order_id", "customer_name", "country", "product", "amount", "date", "status"),
    {"status": "order_status"},
    amount="total_cents",
)


def filter_rows(lake: LakeReplica, query: Query) -> Filter:
    """Return the condition of the rows that a request asks for."""
    return LISTING.filter(query.choices, _period(lake, query))


def _period(lake: LakeReplica, query: Query) -> Period | None:
    """Return the period of a request; None for all days."""
    if not query.period.is_chosen:
        return None
    return resolve_period(lake, query.period, ORDERS_NOW.table, "event_time")


EXPORTS = {"orders": ListingExport(SHOWN, LISTING, filter_rows)}


def build(lake: LakeReplica, query: Query, state: ReplicaState) -> Orders:
    """Build the page."""
    period = _period(lake, query)
    of_period = LISTING.filter({}, period)
    counts = lake.query(
        f"""
        SELECT status::VARCHAR AS status, count(*) AS orders FROM {ORDERS_NOW.table}
        WHERE {of_period.condition} GROUP BY 1
        """,  # noqa: S608  (names of our own)
        dict(of_period.parameters),
    )
    filter_ = LISTING.filter(query.choices, period)
    return Orders(
        as_of=as_of(state),
        missing=missing(state),
        rows=[Order(**row) for row in LISTING.rows(lake, query.rows, filter_)],
        total=LISTING.total(lake, query.rows, filter_),
        statuses={row["status"]: row["orders"] for row in counts},
    )
