"""The payments page: payment outcomes, and a table of every attempt and refund."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from shopnow_tab_app.pages.charts import Chart, chart
from shopnow_tab_app.pages.csv_export import ListingExport
from shopnow_tab_app.pages.paging import Filter, Listing
from shopnow_tab_app.pages.period import ALL_DAYS, Period, resolve_period
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.response import PageResponse, as_of, missing
from shopnow_tab_app.pages.text_tables import TextTable
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.protocol import ReplicaState

TABLE = "events/payments"
TABLES = (TABLE,)
Status = Literal["succeeded", "failed", "refunded"]
Method = Literal["card", "debit", "paypal", "transfer"]


class Payment(BaseModel):
    payment_id: str
    order_id: str
    method: str
    amount_cents: int
    currency: str
    attempt: int
    status: Status
    reason: str | None
    event_time: datetime
    provisional: bool
    """From records that the lake does not have yet; proved figures do not contain it."""


class Payments(PageResponse):
    period: tuple[str, str]
    """First and last day of the charts and the table."""
    rows: list[Payment]
    total: int
    charts: dict[str, Chart]


CHARTS = ("outcome", "methods")
LISTING = Listing(
    TABLE, list(Payment.model_fields), ("payment_id", "order_id", "method"), "payment_id", "event_time"
)
SHOWN = TextTable(
    "page_payments",
    ("payment_id", "order_id", "method", "amount", "attempt", "date", "status", "reason"),
    {"method": "payment_method", "status": "payment_status"},
    amount="amount_cents",
)


def filter_rows(lake: LakeReplica, query: Query) -> Filter:
    """Return the condition of the rows that a request asks for."""
    return _filter(query, _period(lake, query))


def _filter(query: Query, period: Period) -> Filter:
    return LISTING.filter(query.choices, period if query.period.is_chosen else None)


def _period(lake: LakeReplica, query: Query) -> Period:
    return resolve_period(lake, query.period, TABLE, "event_time", default=ALL_DAYS)


EXPORTS = {"payments": ListingExport(SHOWN, LISTING, filter_rows)}


def build(lake: LakeReplica, query: Query, state: ReplicaState) -> Payments:
    """Build the page."""
    period = _period(lake, query)
    filter_ = _filter(query, period)
    by_status, by_method = _count_by(lake, "status", filter_), _count_by(lake, "method", filter_)
    return Payments(
        as_of=as_of(state),
        missing=missing(state),
        period=(period.first.isoformat(), period.last.isoformat()),
        rows=[Payment(**row) for row in LISTING.rows(lake, query.rows, filter_)],
        total=LISTING.total(lake, query.rows, filter_),
        charts={
            "outcome": chart("outcome", by_status, "status", payments="payments"),
            "methods": chart("methods", by_method, "method", succeeded="payments", failed="payments"),
        },
    )


def _count_by(lake: LakeReplica, column: str, filter_: Filter) -> list[dict[str, Any]]:
    return lake.query(
        f"""
        SELECT {column}, count(*) FILTER (status = 'succeeded') AS succeeded,
            count(*) FILTER (status = 'failed') AS failed, count(*) AS payments
        FROM "{TABLE}" WHERE {filter_.condition} GROUP BY 1 ORDER BY payments DESC, 1
        """,  # noqa: S608  (names of our own)
        dict(filter_.parameters),
    )
