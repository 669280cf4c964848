"""The orders page: a table of all orders."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from shopnow_tab_app.pages.paging import Listing, PageQuery
from shopnow_tab_app.pages.response import PageResponse, as_of, missing
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.protocol import ReplicaState
from shopnow_tab_app.replica.tables import ORDERS_NOW, with_sources

Status = Literal["placed", "failed", "paid", "in_transit", "delivered", "refunded", "cancelled"]
TABLES = with_sources(ORDERS_NOW.table)


class Order(BaseModel):
    order_id: str
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
    """Number of orders by status, without search or filter."""


LISTING = Listing(
    ORDERS_NOW.table, list(Order.model_fields), ("order_id", "customer_name", "product"), "order_id"
)


def build(lake: LakeReplica, query: PageQuery, status: str | None, state: ReplicaState) -> Orders:
    """Build the page."""
    by_status = f"SELECT status::VARCHAR AS status, count(*) AS orders FROM {ORDERS_NOW.table} GROUP BY 1"  # noqa: S608
    counts = lake.query(by_status)
    filter_ = LISTING.filter(status=status)
    return Orders(
        as_of=as_of(state),
        missing=missing(state),
        rows=[Order(**row) for row in LISTING.rows(lake, query, filter_)],
        total=LISTING.total(lake, query, filter_),
        statuses={row["status"]: row["orders"] for row in counts},
    )
