"""The orders: a table of all that the lake has."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from shopnow_tab_app.pages.paging import Listing, PageQuery
from shopnow_tab_app.replica.client import Lake
from shopnow_tab_app.replica.protocol import State
from shopnow_tab_app.replica.tables import ORDERS_NOW
from shopnow_tab_app.response_cache import Answer, as_of, missing

Status = Literal["placed", "failed", "paid", "in_transit", "delivered", "refunded", "cancelled"]
TABLES = (ORDERS_NOW.table, *ORDERS_NOW.keys)


class Order(BaseModel):
    order_id: str
    customer_name: str
    country: str
    product: str
    """Its first product."""
    products: int
    units: int
    total_cents: int
    currency: str
    event_time: datetime
    status: Status


class Orders(Answer):
    rows: list[Order]
    total: int
    """Rows on all pages."""
    statuses: dict[str, int]
    """How many there are of each status, whatever is searched."""


LISTING = Listing(
    ORDERS_NOW.table, list(Order.model_fields), ("order_id", "customer_name", "product"), "order_id"
)


def orders(lake: Lake, turn: PageQuery, status: str | None, state: State) -> Orders:
    """A page of the table."""
    where, bound = ("status = $status", {"status": status}) if status else ("true", {})
    by_status = f"SELECT status::VARCHAR AS status, count(*) AS orders FROM {ORDERS_NOW.table} GROUP BY 1"  # noqa: S608
    counts = lake.query(by_status)
    return Orders(
        as_of=as_of(state),
        missing=missing(state),
        rows=[Order(**row) for row in LISTING.rows(lake, turn, where, bound)],
        total=LISTING.total(lake, turn, where, bound),
        statuses={row["status"]: row["orders"] for row in counts},
    )
