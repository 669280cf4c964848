"""The stock and alerts page: stock levels, active alerts, people's actions on them, and sent messages."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from shopnow_tab_app.pages.csv_export import Export, ResponseExport
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.response import PageResponse, as_of, missing
from shopnow_tab_app.pages.text_tables import TextTable
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.protocol import ReplicaState
from shopnow_tab_app.sources import runs

TABLES = ("kpi/stock_position", "kpi/stock_cover", "kpi/stock_outs", "alerts")
CLOSED_STATES = ("resolved",)
SEVERITIES = ("critical", "warning", "info")
"""Most severe first."""
MAX_MESSAGES = 50
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


class Alert(BaseModel):
    """Latest state of an alert."""

    fingerprint: str
    rule: str
    severity: str
    state: str
    subject: str | None
    subject_name: str | None
    facts: str | None
    """The figures of the breach, as text."""
    title: str | None
    todo: str | None
    since: datetime | None
    by: str | None
    """Who acknowledged it; null if not acknowledged."""
    reason: str | None
    """Reason given for the acknowledgement."""


class Silence(BaseModel):
    """Notifications of an alert, or of all alerts of a rule, are suppressed until `until`."""

    target: str
    """Fingerprint of the alert, or name of the rule."""
    until: datetime
    by: str | None
    reason: str | None


class Message(BaseModel):
    """A message on a channel, and its delivery state."""

    dedup_key: str
    channel: str | None
    state: str
    at: datetime
    reason: str | None
    about: list[str]
    """Titles of the alerts in the message."""


class AlertAction(BaseModel):
    """A person's acknowledgement or silence of an alert, and the run that carries it out."""

    action: str
    alert: str
    by: str | None
    run: runs.Run
    refused: str | None
    """Why the action was refused, in a sentence; null if it was not refused, also if its run failed."""


class Stock(PageResponse):
    shelves: list[Shelf]
    alerts: list[Alert]
    silences: list[Silence]
    """Active silences."""
    acts: list[AlertAction]
    """Actions on alerts that are in progress or ended in the last minutes, newest first."""
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
SHOWN_ALERTS = TextTable(
    "alerts",
    ("severity", "title", "subject_name", "facts", "state", "since"),
    {"severity": "severity", "state": "alert_state"},
)
EXPORTS: Mapping[str, Export] = {
    "stock": ResponseExport(SHOWN_SHELVES, Shelf, lambda page: page.shelves),
    "alerts": ResponseExport(SHOWN_ALERTS, Alert, lambda page: page.alerts),
}


def build(
    lake: LakeReplica, actions: Sequence[AlertAction], now: datetime, query: Query, state: ReplicaState
) -> Stock:
    """Build the page.

    Args:
        lake: replica of the lake.
        actions: recent actions on alerts.
        now: time that decides which silences are active.
        query: may choose a stock level; products that are out of stock count as low, too.
        state: state of the replica.
    """
    alerts = _alerts(lake)
    active = [Alert(**row) for row in alerts if row["state"] not in CLOSED_STATES]
    return Stock(
        as_of=as_of(state),
        missing=missing(state),
        shelves=[
            Shelf(**row) for row in _shelves(lake) if _has_level(row["level"], query.choices.get("level"))
        ],
        alerts=sorted(active, key=_severity_order),
        silences=[Silence(**row) for row in _silences(lake, now)],
        acts=list(actions),
        resolved=len(alerts) - len(active),
        messages=[Message(**row) for row in _messages(lake)],
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


def _severity_order(alert: Alert) -> tuple[int, str]:
    unknown = len(SEVERITIES)
    severity = SEVERITIES.index(alert.severity) if alert.severity in SEVERITIES else unknown
    return severity, alert.fingerprint


def _shelves(lake: LakeReplica) -> list[dict[str, Any]]:
    return lake.query(
        """
        SELECT stock.product_id, stock.product_name, stock.quantity, demand_per_day, days_of_cover,
            reorder_point, safety_stock, below_reorder_point, last_event_time,
            CASE WHEN stock.quantity = 0 THEN 'out' WHEN below_reorder_point THEN 'low' ELSE 'ok' END AS level
        FROM "kpi/stock_position" AS stock LEFT JOIN "kpi/stock_cover" AS cover USING (product_id)
        ORDER BY stock.quantity = 0 DESC, coalesce(days_of_cover, 1e9), stock.quantity, stock.product_id
        """
    )


def _alerts(lake: LakeReplica) -> list[dict[str, Any]]:
    """Return the latest row of each alert."""
    return lake.query(
        """
        SELECT fingerprint, rule, severity, state, subject, subject_name, facts, title, todo, since, "by",
            reason
        FROM alerts WHERE kind = 'alert' AND fingerprint IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY fingerprint ORDER BY sequence DESC, "at" DESC) = 1
        """
    )


def _silences(lake: LakeReplica, now: datetime) -> list[dict[str, Any]]:
    """Return the latest silence of each target, if it is active."""
    return lake.query(
        """
        SELECT target, until, "by", reason FROM (
            SELECT * FROM alerts WHERE kind = 'silence'
            QUALIFY row_number() OVER (PARTITION BY target ORDER BY sequence DESC, "at" DESC) = 1
        ) WHERE until > $now ORDER BY until, target
        """,
        {"now": now},
    )


def _messages(lake: LakeReplica) -> list[dict[str, Any]]:
    """Return the latest row of each message, newest first."""
    return lake.query(
        f"""
        SELECT dedup_key, channel, state, "at", reason, coalesce(
            (SELECT list(DISTINCT title || coalesce(': ' || subject_name, '')) FROM alerts AS alert
             WHERE alert.kind = 'alert' AND alert.dedup_key = message.dedup_key), []) AS about
        FROM alerts AS message WHERE kind = 'message' AND dedup_key IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY dedup_key, channel ORDER BY sequence DESC, "at" DESC) = 1
        ORDER BY "at" DESC LIMIT {MAX_MESSAGES}
        """  # noqa: S608  (a number of our own)
    )
