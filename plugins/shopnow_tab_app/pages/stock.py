"""Stock and alerts: what is on the shelves and how long it lasts, what alerts stand, what people do about them, and what was sent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from shopnow_tab_app import runs
from shopnow_tab_app.replica.client import Lake
from shopnow_tab_app.replica.protocol import State
from shopnow_tab_app.response_cache import Answer, as_of, missing

TABLES = ("kpi/stock_position", "kpi/stock_cover", "kpi/stock_outs", "alerts")
OVER = ("resolved",)
MESSAGES = 50


class Shelf(BaseModel):
    """A product's stock; what rests on its demand is null before that is known."""

    product_id: str
    product_name: str
    quantity: int
    demand_per_day: float | None
    days_of_cover: float | None
    reorder_point: int | None
    safety_stock: int | None
    below_reorder_point: bool | None
    last_event_time: datetime


class Alert(BaseModel):
    """An alert as it stands."""

    fingerprint: str
    rule: str
    severity: str
    state: str
    subject: str | None
    subject_name: str | None
    facts: str | None
    """The figure that is wrong, in words."""
    title: str | None
    todo: str | None
    since: datetime | None
    by: str | None
    """Who acknowledged it; null if nobody did."""
    reason: str | None
    """And why."""


class Silence(BaseModel):
    """Nothing is told of an alert, or of all of a rule, until then."""

    target: str
    """The alert's fingerprint, or the rule."""
    until: datetime
    by: str | None
    reason: str | None


class Message(BaseModel):
    """A message on a channel, and what became of it."""

    dedup_key: str
    channel: str | None
    state: str
    at: datetime
    reason: str | None
    about: list[str]
    """Titles of the alerts it tells of."""


class Act(BaseModel):
    """Something a person does about an alert, and how far it is."""

    action: str
    alert: str
    by: str | None
    run: runs.Run
    refused: str | None
    """Why it was not done, in a sentence; null if it was, or if it was not refused but failed."""


class Stock(Answer):
    shelves: list[Shelf]
    alerts: list[Alert]
    silences: list[Silence]
    """Those in force."""
    acts: list[Act]
    """What people are doing about alerts now, or did within the last minutes, newest first."""
    resolved: int
    """Alerts that are over."""
    messages: list[Message]
    lost_cents: dict[str, int]
    """Estimated sales lost in stock-outs, by currency."""


def stock(lake: Lake, acts: Sequence[Act], now: datetime, state: State) -> Stock:
    """All of the page."""
    alerts = _alerts(lake)
    standing = [Alert(**row) for row in alerts if row["state"] not in OVER]
    severity = ["critical", "warning", "info"]
    return Stock(
        as_of=as_of(state),
        missing=missing(state),
        shelves=[Shelf(**row) for row in _shelves(lake)],
        alerts=sorted(
            standing,
            key=lambda each: (
                severity.index(each.severity) if each.severity in severity else 9,
                each.fingerprint,
            ),
        ),
        silences=[Silence(**row) for row in _silences(lake, now)],
        acts=list(acts),
        resolved=len(alerts) - len(standing),
        messages=[Message(**row) for row in _messages(lake)],
        lost_cents={
            row["currency"]: row["cents"]
            for row in lake.query(
                'SELECT currency, sum(lost_cents)::BIGINT AS cents FROM "kpi/stock_outs" WHERE lost_cents > 0 GROUP BY 1'
            )
        },
    )


def _shelves(lake: Lake) -> list[dict[str, Any]]:
    return lake.query(
        """
        SELECT stock.product_id, stock.product_name, stock.quantity, demand_per_day, days_of_cover, reorder_point, safety_stock,
            below_reorder_point, last_event_time
        FROM "kpi/stock_position" AS stock LEFT JOIN "kpi/stock_cover" AS cover USING (product_id)
        ORDER BY stock.quantity = 0 DESC, coalesce(days_of_cover, 1e9), stock.quantity, stock.product_id
        """
    )


def _alerts(lake: Lake) -> list[dict[str, Any]]:
    """The newest row of each alert."""
    return lake.query(
        """
        SELECT fingerprint, rule, severity, state, subject, subject_name, facts, title, todo, since, "by", reason FROM alerts
        WHERE kind = 'alert' AND fingerprint IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY fingerprint ORDER BY sequence DESC, "at" DESC) = 1
        """
    )


def _silences(lake: Lake, now: datetime) -> list[dict[str, Any]]:
    """The newest of each target, if it is not over."""
    return lake.query(
        """
        SELECT target, until, "by", reason FROM (
            SELECT * FROM alerts WHERE kind = 'silence'
            QUALIFY row_number() OVER (PARTITION BY target ORDER BY sequence DESC, "at" DESC) = 1
        ) WHERE until > $now ORDER BY until, target
        """,
        {"now": now},
    )


def _messages(lake: Lake) -> list[dict[str, Any]]:
    """The newest row of each message, newest first."""
    return lake.query(
        f"""
        SELECT dedup_key, channel, state, "at", reason, coalesce(
            (SELECT list(DISTINCT title || coalesce(': ' || subject_name, '')) FROM alerts AS told
             WHERE told.kind = 'alert' AND told.dedup_key = message.dedup_key), []) AS about
        FROM alerts AS message WHERE kind = 'message' AND dedup_key IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY dedup_key, channel ORDER BY sequence DESC, "at" DESC) = 1
        ORDER BY "at" DESC LIMIT {MESSAGES}
        """  # noqa: S608  (a number of our own)
    )
