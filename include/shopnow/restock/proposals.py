"""Proposals to restock: which run one is, how much to order and why, and the delivery note it becomes."""

import csv
import io
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from shopnow.kpis import STOCK_COVER
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.restock.delivery_note import COLUMNS, MAX_QUANTITY

DEFAULT_QUANTITY = 50
"""Pieces proposed of a product whose reorder point is not known."""

SUPPLIER = "ShopNow+ restock"
"""Who the delivery notes of approved proposals are from."""

ANSWER_WITHIN = timedelta(days=3)
"""A proposal nobody has answered by then counts as rejected: the alert still stands, and is told again."""


class Suggestion(NamedTuple):
    quantity: int
    lead_time_days: float
    why: str


class Order(NamedTuple):
    pieces: int
    due: str
    """When the supplier delivers, ISO 8601."""


def run_id(alert: Mapping[str, Any]) -> str:
    """The id of the run that asks about an alert, the same however often it is worked out.

    Args:
        alert: an alert as `evaluate` proposes it, with `fingerprint` and `dedup_key`.
    """
    digest = sha256(f"{alert['fingerprint']}\n{alert['dedup_key']}".encode()).hexdigest()[:16]
    # Product ids are anyone's text; a run id is not.
    return f"alert__{re.sub(r'[^A-Za-z0-9_.-]+', '-', alert['fingerprint'])[:80]}__{digest}"


def asked(alert: Mapping[str, Any]) -> dict[str, Any]:
    """The params of that run."""
    return {
        "product_id": alert["product_id"],
        "product_name": alert["product_name"],
        "on_hand": alert["quantity"],
        "rule": alert["rule"],
    }


def cover(lake: str, product_id: str) -> dict[str, Any] | None:
    """The product's row of `kpi/stock_cover`; None if there is none."""
    if not Table(lake, STOCK_COVER.name).exists():
        return None
    columns = ["product_id", "demand_per_day", "lead_time_days", "reorder_point"]
    rows = tables.read(Table(lake, STOCK_COVER.name).open(), columns).to_pylist()
    return next((row for row in rows if row["product_id"] == product_id), None)


def suggest(row: Mapping[str, Any] | None, on_hand: int, wanted: int | None = None) -> Suggestion:
    """How much to order of a product, and when the supplier brings it.

    As much as takes the stock to its reorder point and covers what is sold until the delivery comes; `wanted`, if given, instead.

    Args:
        row: its row of `kpi/stock_cover`; None if nothing is known of it.
    """
    if row is None or row["reorder_point"] is None:
        why = (
            f"its reorder point and lead time are not known: {DEFAULT_QUANTITY} by default, delivered at once"
        )
        return Suggestion(_orderable(wanted or DEFAULT_QUANTITY), 0.0, why)
    lead_time = row["lead_time_days"] or 0.0
    sold_meanwhile = math.ceil((row["demand_per_day"] or 0.0) * lead_time)
    quantity = row["reorder_point"] + sold_meanwhile - on_hand
    why = f"reorder point {row['reorder_point']}, about {sold_meanwhile} sold in the {lead_time:.1f} days the supplier takes"
    return Suggestion(_orderable(wanted or quantity), lead_time, f"{why}, {on_hand} on hand")


def question(params: Mapping[str, Any], suggestion: Suggestion) -> tuple[str, str]:
    """What a person is asked, in a line, and what they need to know to answer, both as Markdown."""
    product = f"{markdown(params['product_name'] or params['product_id'])} ({markdown(params['product_id'])})"
    body = [
        f"**{product}** has {params['on_hand']} left (alert `{params['rule'] or 'none'}`).",
        f"Suggested: **{suggestion.quantity}** pieces; {suggestion.why}.",
        "*Approve*, with other pieces if you wish: the supplier is sent the order, and `receive_restock` takes the goods in when due.",
        f"*Reject*, with a reason: nothing is ordered. So it is if nobody answers within {ANSWER_WITHIN.days} days.",
    ]
    return f"Restock {product}?", "\n\n".join(body)


def ordered(answer: Mapping[str, Any], suggested: Mapping[str, Any]) -> Order:
    """What an approval orders: what it says, or, as far as it says nothing, what was suggested.

    Args:
        answer: what ApprovalOperator returns of it.
        suggested: `pieces` and `delivered_in_days`.
    """
    given = {**suggested, **answer["params_input"]}
    at = answer["responded_at"]
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    return Order(given["pieces"], (at + timedelta(days=given["delivered_in_days"])).isoformat())


def note(run_id: str, product_id: str, quantity: int) -> tuple[str, bytes]:
    """The delivery note a proposal becomes: the name of its file and the CSV in it, the same whenever they are worked out."""
    number = f"R-{sha256(run_id.encode()).hexdigest()[:12]}"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, (number, SUPPLIER, product_id, quantity)])
    return f"{number}.csv", text.getvalue().encode()


def markdown(text: str) -> str:
    """Text that anyone may have written, on one line and shown as it is in Markdown."""
    return re.sub(
        r"([^\w\s])", r"\\\1", " ".join("".join(each if each.isprintable() else " " for each in text).split())
    )


def _orderable(quantity: int) -> int:
    return min(max(quantity, 1), MAX_QUANTITY)
