"""The payments page: payment outcomes, and a table of every attempt and refund."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from shopnow_tab_app.pages.charts import Chart, chart
from shopnow_tab_app.pages.paging import Listing, PageQuery
from shopnow_tab_app.pages.period import Period, PeriodQuery, resolve_period
from shopnow_tab_app.pages.response import PageResponse, as_of, missing
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
    """First and last day of the charts; the table has all days."""
    rows: list[Payment]
    total: int
    charts: dict[str, Chart]


CHARTS = ("outcome", "methods")
LISTING = Listing(TABLE, list(Payment.model_fields), ("payment_id", "order_id", "method"), "payment_id")


def build(
    lake: LakeReplica,
    period_query: PeriodQuery,
    query: PageQuery,
    status: str | None,
    method: Method | None,
    state: ReplicaState,
) -> Payments:
    """Build the page."""
    filter_ = LISTING.filter(status=status, method=method)
    period = resolve_period(lake, period_query, TABLE, "event_time")
    by_status, by_method = _count_by(lake, "status", period), _count_by(lake, "method", period)
    return Payments(
        as_of=as_of(state),
        missing=missing(state),
        period=(period.first.isoformat(), period.last.isoformat()),
        rows=[Payment(**row) for row in LISTING.rows(lake, query, filter_)],
        total=LISTING.total(lake, query, filter_),
        charts={
            "outcome": chart("outcome", by_status, "status", payments="payments"),
            "methods": chart("methods", by_method, "method", succeeded="payments", failed="payments"),
        },
    )


def _count_by(lake: LakeReplica, column: str, period: Period) -> list[dict[str, Any]]:
    return lake.query(
        f"""
        SELECT {column}, count(*) FILTER (status = 'succeeded') AS succeeded,
            count(*) FILTER (status = 'failed') AS failed, count(*) AS payments
        FROM "{TABLE}" WHERE event_time >= ?::DATE AND event_time < ?::DATE + 1
        GROUP BY 1 ORDER BY payments DESC, 1
        """,  # noqa: S608  (names of our own)
        [*period],
    )
