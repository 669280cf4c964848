"""Alerts, silences and messages of the stock page: what has to be done, most money at risk first."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import BaseModel

from shopnow.alerts import money_at_risk, order_suggestion
from shopnow.alerts.proposals import ANSWERED, ProposalState, read_proposals
from shopnow.restock import proposals
from shopnow_tab_app.pages.text_tables import TextTable
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.sources import runs

SEVERITIES = ("critical", "warning", "info")
"""Most severe first."""
MAX_MESSAGES = 50
MAX_DAYS = 3_650
"""Days ahead, at most, by which an order is due."""


class Approval(BaseModel):
    """A question to a person, whether a product is ordered."""

    run: str
    """Id of the run of `approve_restock` that asks."""
    is_open: bool
    """False once it is answered."""


class Alert(BaseModel):
    """Latest state of an alert."""

    fingerprint: str
    rule: str
    severity: str
    state: str
    subject: str | None
    subject_name: str | None
    facts: str | None
    """The figures when it fired, as text."""
    title: str | None
    todo: str | None
    since: datetime | None
    by: str | None
    """Who acknowledged it; null if not acknowledged."""
    reason: str | None
    """Reason given for the acknowledgement."""
    on_hand: int | None
    """Pieces in stock now; this and the following are null unless the alert is about a product."""
    days_of_cover: float | None
    at_risk_cents: int | None
    """Sales expected to be lost before a delivery that is ordered now arrives."""
    currency: str | None
    """Of the sales at risk."""
    order_pieces: int | None
    """Pieces to order: up to the reorder point, and the demand until they arrive."""
    order_by: datetime | None
    """When to order them, so that they arrive before the product is sold out; null if that is too late."""
    approval: Approval | None
    """The latest proposal to order it; null if it waits for others."""


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


SHOWN = TextTable(
    "alerts",
    (
        "severity",
        "title",
        "subject_name",
        "on_hand",
        "days_of_cover",
        "order_pieces",
        "amount",
        "state",
        "since",
    ),
    {"severity": "severity", "state": "alert_state"},
    "at_risk_cents",
    "at_risk",
)


class Alerts(NamedTuple):
    """The alerts in their latest states."""

    active: list[Alert]
    inhibited: int
    resolved: int


def read(lake: LakeReplica, now: datetime) -> Alerts:
    """Return the alerts; `now` decides which orders come too late."""
    rows = _latest(lake)
    states = [row["state"] for row in rows]
    shown = [row for row in rows if row["state"] not in ("resolved", "inhibited")]
    products = _products(lake, {row["subject"] for row in shown}, now)
    approvals = _approvals(lake, products) if products else {}
    alerts = [
        Alert(
            **row,
            **products.get(row["subject"], _NO_PRODUCT),
            approval=approvals.get(row["subject"]),
        )
        for row in shown
    ]
    return Alerts(sorted(alerts, key=_urgency), states.count("inhibited"), states.count("resolved"))


_NO_PRODUCT = dict.fromkeys(
    ("on_hand", "days_of_cover", "at_risk_cents", "currency", "order_pieces", "order_by")
)


def _products(
    lake: LakeReplica, product_ids: Iterable[str | None], now: datetime
) -> dict[str, dict[str, Any]]:
    """Return what to do about products, by id, from their current stock."""
    ids = [product for product in product_ids if product]
    cover = lake.query(
        """
        SELECT stock.product_id, stock.quantity, stock.last_event_time, demand_per_day, lead_time_days,
            days_of_cover, reorder_point
        FROM "kpi/stock_position" AS stock LEFT JOIN "kpi/stock_cover" AS cover USING (product_id)
        WHERE product_id IN (SELECT unnest($ids::VARCHAR[]))
        """,
        {"ids": ids},
    )
    orders = lake.query(
        f"""
        SELECT product_id, currency, sum(units)::BIGINT AS units, sum(gmv_cents)::BIGINT AS gmv_cents
        FROM "kpi/top_products" WHERE product_id IN (SELECT unnest($ids::VARCHAR[]))
            AND date > (SELECT max(date) FROM "kpi/top_products") - {money_at_risk.PRICE_DAYS} GROUP BY 1, 2
        """,  # noqa: S608  (a number of our own)
        {"ids": ids},
    )
    on_hand = {row["product_id"]: row["quantity"] for row in cover}
    at_risk = money_at_risk.estimate(cover, orders, on_hand)
    return {
        row["product_id"]: {
            "on_hand": row["quantity"],
            "days_of_cover": row["days_of_cover"],
            "at_risk_cents": round(at_risk[row["product_id"]].cents) if row["product_id"] in at_risk else 0,
            "currency": at_risk[row["product_id"]].currency if row["product_id"] in at_risk else None,
            "order_pieces": order_suggestion.suggest(row, row["quantity"]).quantity,
            "order_by": _order_by(row, now),
        }
        for row in cover
    }


def _order_by(row: dict[str, Any], now: datetime) -> datetime | None:
    spare_days = (row["days_of_cover"] or 0) - (row["lead_time_days"] or 0)
    order_by = row["last_event_time"] + timedelta(days=min(spare_days, MAX_DAYS))
    return order_by if order_by > now else None


def _approvals(lake: LakeReplica, product_ids: Iterable[str]) -> dict[str, Approval]:
    """Return the proposals that hold, open or answered, by product id."""
    rows = lake.query(
        """
        SELECT kind, state, sequence, fingerprint, dedup_key, thread, rule, severity, about, subject,
            subject_name, since, reason, "at"
        FROM alerts WHERE kind IN ('alert', 'proposal') AND subject IN (SELECT unnest($ids::VARCHAR[]))
        ORDER BY sequence, "at"
        """,
        {"ids": list(product_ids)},
    )
    recorded = {(row["fingerprint"], row["dedup_key"]): row for row in rows if row["kind"] == "proposal"}
    approvals = {}
    for proposal in read_proposals(rows):
        row = recorded.get((proposal.fingerprint, proposal.dedup_key))
        is_open = proposal.state == ProposalState.OPEN
        if row and proposal.holds and (is_open or row["reason"] == ANSWERED):
            run = proposals.run_id(proposal.fingerprint, proposal.dedup_key)
            approvals[proposal.product_id] = Approval(run=run, is_open=is_open)
    return approvals


def _urgency(alert: Alert) -> tuple[bool, float, int, str]:
    """Return the order of an alert: those about more than a product first, then by money at risk."""
    severity = SEVERITIES.index(alert.severity) if alert.severity in SEVERITIES else len(SEVERITIES)
    return alert.on_hand is not None, -(alert.at_risk_cents or 0), severity, alert.fingerprint


def _latest(lake: LakeReplica) -> list[dict[str, Any]]:
    """Return the latest row of each alert."""
    return lake.query(
        """
        SELECT fingerprint, rule, severity, state, subject, subject_name, facts, title, todo, since, "by",
            reason
        FROM alerts WHERE kind = 'alert' AND fingerprint IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY fingerprint ORDER BY sequence DESC, "at" DESC) = 1
        """
    )


def read_silences(lake: LakeReplica, now: datetime) -> list[Silence]:
    """Return the latest silence of each target, if it is active."""
    rows = lake.query(
        """
        SELECT target, until, "by", reason FROM (
            SELECT * FROM alerts WHERE kind = 'silence'
            QUALIFY row_number() OVER (PARTITION BY target ORDER BY sequence DESC, "at" DESC) = 1
        ) WHERE until > $now ORDER BY until, target
        """,
        {"now": now},
    )
    return [Silence(**row) for row in rows]


def read_messages(lake: LakeReplica) -> list[Message]:
    """Return the latest row of each message, newest first."""
    rows = lake.query(
        f"""
        SELECT dedup_key, channel, state, "at", reason, coalesce(
            (SELECT list(DISTINCT title || coalesce(': ' || subject_name, '')) FROM alerts AS alert
             WHERE alert.kind = 'alert' AND alert.dedup_key = message.dedup_key), []) AS about
        FROM alerts AS message WHERE kind = 'message' AND dedup_key IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY dedup_key, channel ORDER BY sequence DESC, "at" DESC) = 1
        ORDER BY "at" DESC LIMIT {MAX_MESSAGES}
        """  # noqa: S608  (a number of our own)
    )
    return [Message(**row) for row in rows]
