"""The payments: how many succeed, and a table of every attempt and refund."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from shopnow_tab_app.pages.charts import Chart, chart
from shopnow_tab_app.pages.paging import Listing, PageQuery
from shopnow_tab_app.pages.period import PeriodQuery, period
from shopnow_tab_app.replica.client import Lake
from shopnow_tab_app.replica.protocol import State
from shopnow_tab_app.response_cache import Answer, as_of, missing

TABLE = "events/payments"
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


class Payments(Answer):
    period: tuple[str, str]
    """The days the charts are of; the table has all."""
    rows: list[Payment]
    total: int
    charts: dict[str, Chart]


LISTING = Listing(TABLE, list(Payment.model_fields), ("payment_id", "order_id", "method"), "payment_id")


def payments(
    lake: Lake, asked: PeriodQuery, turn: PageQuery, status: str | None, method: Method | None, state: State
) -> Payments:
    """A page of the table, and the charts of the days asked for."""
    bound = {name: value for name, value in (("status", status), ("method", method)) if value}
    where = " AND ".join(["true", *(f"{name} = ${name}" for name in bound)])
    days = period(lake, asked, TABLE, "event_time")
    return Payments(
        as_of=as_of(state),
        missing=missing(state),
        period=(days.first.isoformat(), days.last.isoformat()),
        rows=[Payment(**row) for row in LISTING.rows(lake, turn, where, bound)],
        total=LISTING.total(lake, turn, where, bound),
        charts={
            "outcome": chart("outcome", _counted(lake, "status", [*days]), "status", payments="payments"),
            "methods": chart(
                "methods",
                _counted(lake, "method", [*days]),
                "method",
                succeeded="payments",
                failed="payments",
            ),
        },
    )


def _counted(lake: Lake, column: str, days: list[Any]) -> list[dict[str, Any]]:
    return lake.query(
        f"""
        SELECT {column}, count(*) FILTER (status = 'succeeded') AS succeeded, count(*) FILTER (status = 'failed') AS failed,
            count(*) AS payments
        FROM "{TABLE}" WHERE event_time >= ?::DATE AND event_time < ?::DATE + 1 GROUP BY 1 ORDER BY payments DESC, 1
        """,  # noqa: S608  (names of our own)
        days,
    )
