"""The stock and alerts page: stock levels, active alerts, people's actions on them, and sent messages."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from shopnow_tab_app.pages import alerts
from shopnow_tab_app.pages.alerts import Alert, AlertAction, Message, Silence
from shopnow_tab_app.pages.csv_export import Export, ResponseExport
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.response import PageResponse, as_of, missing
from shopnow_tab_app.pages.text_tables import TextTable
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.protocol import ReplicaState

TABLES = ("kpi/stock_position", "kpi/stock_cover", "kpi/stock_outs", "kpi/top_products", "alerts")
Level = Literal["ok", "low", "out"]


class Shelf(BaseModel):
    """Stock level of a product; figures based on its demand are null until the demand is known."""

    product_id: str
    product_name: str
    quantity: int
    demand_per_day: float | None
    days_of_cover: float | None
    reorder_point: int | None
    safety_stock: int | None
    below_reorder_point: bool | None
    level: Level
    last_event_time: datetime


class Stock(PageResponse):
    shelves: list[Shelf]
    alerts: list[Alert]
    """Active alerts, each product's at its highest severity; most money at risk first."""
    silences: list[Silence]
    """Active silences."""
    acts: list[AlertAction]
    """Actions on alerts that are in progress or ended in the last minutes, newest first."""
    inhibited: int
    """Number of alerts that another one explains, such as a low stock of a product that is sold out."""
    resolved: int
    """Number of resolved alerts."""
    messages: list[Message]
    lost_cents: dict[str, int]
    """Estimated sales lost in stock-outs, by currency."""


SHOWN_SHELVES = TextTable(
    "stock",
    ("product_name", "quantity", "days_of_cover", "reorder_point", "demand_per_day", "level"),
    {"level": "stock_level"},
)
EXPORTS: Mapping[str, Export] = {
    "stock": ResponseExport(SHOWN_SHELVES, Shelf, lambda page: page.shelves),
    "alerts": ResponseExport(alerts.SHOWN, Alert, lambda page: page.alerts, left_out=("approval",)),
}


def build(
    lake: LakeReplica, actions: Sequence[AlertAction], now: datetime, query: Query, state: ReplicaState
) -> Stock:
    """Build the page.

    Args:
        lake: replica of the lake.
        actions: recent actions on alerts.
        now: time that decides which silences are active, and which orders come too late.
        query: may choose a stock level; products that are out of stock count as low, too.
        state: state of the replica.
    """
    current = alerts.read(lake, now)
    return Stock(
        as_of=as_of(state),
        missing=missing(state),
        shelves=[
            Shelf(**row) for row in read_shelves(lake) if _has_level(row["level"], query.choices.get("level"))
        ],
        alerts=current.active,
        inhibited=current.inhibited,
        resolved=current.resolved,
        silences=alerts.read_silences(lake, now),
        acts=list(actions),
        messages=alerts.read_messages(lake),
        lost_cents={
            row["currency"]: row["cents"]
            for row in lake.query(
                """
                SELECT currency, sum(lost_cents)::BIGINT AS cents FROM "kpi/stock_outs"
                WHERE lost_cents > 0 GROUP BY 1
                """
            )
        },
    )


def _has_level(level: str, chosen: str | None) -> bool:
    return chosen in (None, level) or (chosen == "low" and level == "out")


def read_shelves(lake: LakeReplica, product_id: str | None = None) -> list[dict[str, Any]]:
    """Return the stock of all products, those that run out first at the top, or of one."""
    return lake.query(
        """
        SELECT stock.product_id, stock.product_name, stock.quantity, demand_per_day, days_of_cover,
            reorder_point, safety_stock, below_reorder_point, last_event_time,
            CASE WHEN stock.quantity = 0 THEN 'out' WHEN below_reorder_point THEN 'low' ELSE 'ok' END AS level
        FROM "kpi/stock_position" AS stock LEFT JOIN "kpi/stock_cover" AS cover USING (product_id)
        WHERE $id IS NULL OR product_id = $id
        ORDER BY stock.quantity = 0 DESC, coalesce(days_of_cover, 1e9), stock.quantity, stock.product_id
        """,
        {"id": product_id},
    )
