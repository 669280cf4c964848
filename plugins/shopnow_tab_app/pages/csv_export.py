"""Any table of the pages as CSV, whole, not page by page."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from shopnow import csv_text
from shopnow_tab_app.pages import deliveries, orders, payments
from shopnow_tab_app.pages.paging import Listing, PageQuery
from shopnow_tab_app.replica.client import Lake

CHUNK = 2_000


class Export(NamedTuple):
    """A table to give out: the tables of the lake it is made from, and how its rows are found."""

    tables: Sequence[str]
    listing: Listing


_SHELVES = ("product_id", "product_name", "quantity", "last_event_time")
_RECEIPTS = (
    "topic",
    "partition",
    "start_offset",
    "end_offset",
    "rows",
    "quarantined",
    "version",
    "committed_at",
)
_LOSSES = (
    "topic",
    "partition",
    "kind",
    "start_offset",
    "end_offset",
    "missing_rows",
    "reason",
    "acknowledged_by",
    "committed_at",
)
_ALERTS = (
    '"at"',
    "kind",
    "state",
    "rule",
    "severity",
    "subject",
    "subject_name",
    "facts",
    "channel",
    "reason",
)
_COVER = (
    "product_id",
    "product_name",
    "quantity",
    "demand_per_day",
    "days_of_cover",
    "reorder_point",
    "safety_stock",
)

EXPORTS: Mapping[str, Export] = {
    "orders": Export(orders.TABLES, orders.LISTING),
    "payments": Export((payments.TABLE,), payments.LISTING),
    "deliveries": Export(deliveries.TABLES, deliveries.LISTING),
    "stock": Export(
        ("kpi/stock_position",), Listing("kpi/stock_position", _SHELVES, _SHELVES[:2], "product_id")
    ),
    "stock_cover": Export(("kpi/stock_cover",), Listing("kpi/stock_cover", _COVER, _COVER[:2], "product_id")),
    "alerts": Export(("alerts",), Listing("alerts", _ALERTS, ("rule", "subject_name"), '"at"')),
    "receipts": Export(("receipts",), Listing("receipts", _RECEIPTS, ("topic",), "partition")),
    "losses": Export(("losses",), Listing("losses", _LOSSES, ("topic",), "partition")),
    "top_products": Export(
        ("kpi/top_products",),
        Listing(
            "kpi/top_products",
            (
                "date",
                "currency",
                "rank",
                "product_id",
                "product_name",
                "category",
                "orders",
                "units",
                "gmv_cents",
            ),
            ("product_name",),
            "product_id",
        ),
    ),
    "sales_daily": Export(
        ("kpi/sales_daily",),
        Listing(
            "kpi/sales_daily",
            (
                "date",
                "currency",
                "orders",
                "units",
                "gmv_cents",
                "payments_succeeded",
                "payments_failed",
                "net_revenue_cents",
                "missing_rows",
            ),
            ("currency",),
            "date",
        ),
    ),
}
"""By name."""


def lines(
    lake: Lake, listing: Listing, search: str, where: str, parameters: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the table as CSV text, `CHUNK` rows at a time, in the order of its `tie`."""
    yield csv_text.format_rows([[name.strip('"') for name in listing.columns]])
    query = PageQuery(search, listing.tie, False, 0, CHUNK)
    for rows in listing.chunks(lake, query, where, parameters):
        yield csv_text.format_rows([_cell(value) for value in row] for row in rows)


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
