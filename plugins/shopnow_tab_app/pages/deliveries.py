"""The deliveries: where each parcel is, and how many came into each state by day."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from shopnow_tab_app.pages.charts import Chart, chart
from shopnow_tab_app.pages.paging import Listing, PageQuery
from shopnow_tab_app.pages.period import PeriodQuery, period
from shopnow_tab_app.replica.client import Lake
from shopnow_tab_app.replica.protocol import State
from shopnow_tab_app.replica.tables import DELIVERIES_NOW
from shopnow_tab_app.response_cache import Answer, as_of, missing

STAGES = ("pending", "in_transit", "delivered")
Stage = Literal["pending", "in_transit", "delivered"]
TABLES = (DELIVERIES_NOW.table, *DELIVERIES_NOW.keys)


class Delivery(BaseModel):
    delivery_id: str
    order_id: str
    address: str
    stage: Stage
    promised_at: datetime
    """When it is expected."""
    progress: float
    """From 0 to 1."""
    event_time: datetime
    """When it came into its stage."""
    created_at: datetime | None
    shipped_at: datetime | None
    delivered_at: datetime | None
    overdue: bool
    """Not delivered by the time promised, or, if it still is not, by the newest event of any delivery."""


class Deliveries(Answer):
    period: tuple[str, str]
    rows: list[Delivery]
    total: int
    stages: dict[str, int]
    overdue: int
    charts: dict[str, Chart]


COLUMNS = [name for name in Delivery.model_fields if name != "overdue"]
LISTING = Listing(DELIVERIES_NOW.table, COLUMNS, ("delivery_id", "order_id", "address"), "delivery_id")


def deliveries(
    lake: Lake, asked: PeriodQuery, turn: PageQuery, stage: Stage | None, state: State
) -> Deliveries:
    """A page of the table, and the timeline of the days asked for."""
    where, bound = ("stage = $stage", {"stage": STAGES.index(stage)}) if stage else ("true", {})
    days = period(lake, asked, "events/deliveries", "event_time")
    now = lake.query('SELECT max(event_time) AS now FROM "events/deliveries"')[0]["now"]
    counts = lake.query(
        f"SELECT stage, count(*) AS deliveries, count(*) FILTER (stage < 2 AND promised_at < ?) AS overdue "  # noqa: S608  (a name of our own)
        f"FROM {DELIVERIES_NOW.table} GROUP BY 1",
        [now],
    )
    rows = LISTING.rows(lake, turn, where, bound)
    return Deliveries(
        as_of=as_of(state),
        missing=missing(state),
        period=(days.first.isoformat(), days.last.isoformat()),
        rows=[
            Delivery(
                **{**row, "stage": STAGES[row["stage"]]},
                overdue=(row["delivered_at"] or now) > row["promised_at"],
            )
            for row in rows
        ],
        total=LISTING.total(lake, turn, where, bound),
        stages={
            name: sum(row["deliveries"] for row in counts if row["stage"] == number)
            for number, name in enumerate(STAGES)
        },
        overdue=sum(row["overdue"] for row in counts),
        charts={"timeline": _timeline(lake, days.first, days.last)},
    )


def _timeline(lake: Lake, first, last) -> Chart:
    rows = lake.query(
        """
        SELECT event_time::DATE AS date, count(*) FILTER (stage = 0) AS pending, count(*) FILTER (stage = 1) AS in_transit,
            count(*) FILTER (stage = 2) AS delivered
        FROM "events/deliveries" WHERE event_time >= ?::DATE AND event_time < ?::DATE + 1 GROUP BY 1 ORDER BY 1
        """,
        [first, last],
    )
    return chart(
        "timeline", rows, "date", pending="deliveries", in_transit="deliveries", delivered="deliveries"
    )
