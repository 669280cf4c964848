"""The deliveries page: a table of all deliveries, and a timeline of their stages by day."""

from datetime import datetime
from typing import Literal

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
from shopnow_tab_app.replica.tables import DELIVERIES_NOW, with_sources

STAGES = ("pending", "in_transit", "delivered")
Stage = Literal["pending", "in_transit", "delivered"]
TABLES = with_sources(DELIVERIES_NOW.table)


class Delivery(BaseModel):
    delivery_id: str
    order_id: str
    address: str
    stage: Stage
    promised_at: datetime
    """Promised delivery time."""
    progress: float
    """From 0 to 1."""
    event_time: datetime
    """When it entered its stage."""
    created_at: datetime | None
    shipped_at: datetime | None
    delivered_at: datetime | None
    provisional: bool
    """From records that the lake does not have yet; proved figures do not contain it."""
    overdue: bool
    """Delivered after the promised time, or still open after it."""


class Deliveries(PageResponse):
    period: tuple[str, str]
    rows: list[Delivery]
    total: int
    stages: dict[str, int]
    overdue: int
    charts: dict[str, Chart]


CHARTS = ("timeline",)
COLUMNS = [name for name in Delivery.model_fields if name != "overdue"]
LISTING = Listing(
    DELIVERIES_NOW.table, COLUMNS, ("delivery_id", "order_id", "address"), "delivery_id", "event_time"
)
SHOWN = TextTable(
    "page_deliveries",
    (
        "delivery_id",
        "order_id",
        "address",
        "stage",
        "promised_at",
        "created_at",
        "shipped_at",
        "delivered_at",
    ),
    {"stage": "delivery_stage"},
)


def filter_rows(lake: LakeReplica, query: Query) -> Filter:
    """Return the condition of the rows that a request asks for."""
    return _filter(query, _period(lake, query))


def _filter(query: Query, period: Period) -> Filter:
    return LISTING.filter(query.choices, period if query.period.is_chosen else None)


def _period(lake: LakeReplica, query: Query) -> Period:
    return resolve_period(lake, query.period, "events/deliveries", "event_time", default=ALL_DAYS)


EXPORTS = {"deliveries": ListingExport(SHOWN, LISTING, filter_rows)}


def build(lake: LakeReplica, now: datetime, query: Query, state: ReplicaState) -> Deliveries:
    """Build the page."""
    period = _period(lake, query)
    filter_ = _filter(query, period)
    of_period = LISTING.filter({}, period if query.period.is_chosen else None)
    counts = lake.query(
        f"""
        SELECT stage::VARCHAR AS stage, count(*) AS deliveries,
            count(*) FILTER (stage != 'delivered' AND promised_at < $now) AS overdue
        FROM {DELIVERIES_NOW.table} WHERE {of_period.condition} GROUP BY 1
        """,  # noqa: S608  (names of our own)
        {**of_period.parameters, "now": now},
    )
    return Deliveries(
        as_of=as_of(state),
        missing=missing(state),
        period=(period.first.isoformat(), period.last.isoformat()),
        rows=[
            Delivery(**row, overdue=(row["delivered_at"] or now) > row["promised_at"])
            for row in LISTING.rows(lake, query.rows, filter_)
        ],
        total=LISTING.total(lake, query.rows, filter_),
        stages={name: sum(row["deliveries"] for row in counts if row["stage"] == name) for name in STAGES},
        overdue=sum(row["overdue"] for row in counts),
        charts={"timeline": _timeline(lake, period)},
    )


def _timeline(lake: LakeReplica, period: Period) -> Chart:
    rows = lake.query(
        """
        SELECT event_time::DATE AS date, count(*) FILTER (stage = 0) AS pending,
            count(*) FILTER (stage = 1) AS in_transit, count(*) FILTER (stage = 2) AS delivered
        FROM "events/deliveries" WHERE event_time >= ?::DATE AND event_time < ?::DATE + 1
        GROUP BY 1 ORDER BY 1
        """,
        [*period],
    )
    return chart(
        "timeline", rows, "date", pending="deliveries", in_transit="deliveries", delivered="deliveries"
    )
