"""Restock proposals: approval prompt, and the resulting delivery note."""

import csv
import io
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from shopnow.alerts.order_suggestion import Suggestion
from shopnow.alerts.proposals import Proposal
from shopnow.kpis import STOCK_COVER
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.restock.delivery_note import COLUMNS
from shopnow.text_format import one_line

SUPPLIER = "ShopNow+ restock"
"""Supplier on the delivery notes of approved proposals."""

APPROVAL_TIMEOUT = timedelta(days=3)
"""A proposal without an answer by then is rejected; its alert stays active, and a reminder is sent."""


class Order(NamedTuple):
    pieces: int
    due: str
    """Time of delivery, ISO 8601."""


def run_id(fingerprint: str, dedup_key: str) -> str:
    """Return the id of the run that asks for approval of a proposal, the same for the same alert."""
    digest = sha256(f"{fingerprint}\n{dedup_key}".encode()).hexdigest()[:16]
    # Product ids are free text, but Airflow restricts run ids.
    return f"alert__{re.sub(r'[^A-Za-z0-9_.-]+', '-', fingerprint)[:80]}__{digest}"


def dag_params(proposal: Proposal, on_hand: int) -> dict[str, Any]:
    """Return the params of that run, with the pieces in stock."""
    return {
        "product_id": proposal.product_id,
        "product_name": proposal.product_name,
        "on_hand": on_hand,
        "rule": proposal.rule,
    }


def read_stock_cover(lake: str, product_id: str) -> dict[str, Any] | None:
    """Return the product's row of `kpi/stock_cover`; None if it has none."""
    if not Table(lake, STOCK_COVER.name).exists():
        return None
    columns = ["product_id", "demand_per_day", "lead_time_days", "reorder_point"]
    rows = tables.read(Table(lake, STOCK_COVER.name).open(), columns).to_pylist()
    return next((row for row in rows if row["product_id"] == product_id), None)


def approval_prompt(params: Mapping[str, Any], suggestion: Suggestion) -> tuple[str, str]:
    """Return the subject of the approval request, as plain text, and its body, as Markdown."""
    name = params["product_name"] or params["product_id"]
    product = f"{escape_markdown(name)} ({escape_markdown(params['product_id'])})"
    body = [
        f"**{product}** has {params['on_hand']} left (alert `{params['rule'] or 'none'}`).",
        f"Suggested: **{suggestion.quantity}** pieces ({suggestion.reason}).",
        "*Approve*, with another number of pieces if you wish, to send the order to the supplier; "
        "`receive_restock` receives the goods when they are due.",
        f"*Reject* to order nothing; this also happens after {APPROVAL_TIMEOUT.days} days without an answer.",
    ]
    subject = one_line(f"Restock {name} ({params['product_id']})?", max_length=200)
    return subject, "\n\n".join(body)


def approved_order(answer: Mapping[str, Any], suggested: Mapping[str, Any]) -> Order:
    """Return the order of an approval: its params, with the suggestion as their defaults.

    Args:
        answer: output of ApprovalOperator.
        suggested: `pieces` and `delivered_in_days`.
    """
    params = {**suggested, **answer["params_input"]}
    responded_at = answer["responded_at"]
    if isinstance(responded_at, str):
        responded_at = datetime.fromisoformat(responded_at)
    due = responded_at + timedelta(days=params["delivered_in_days"])
    return Order(params["pieces"], due.isoformat())


def make_delivery_note(run_id: str, product_id: str, quantity: int) -> tuple[str, bytes]:
    """Return file name and CSV of the delivery note of an approved proposal, the same for the same run."""
    number = f"R-{sha256(run_id.encode()).hexdigest()[:12]}"
    text = io.StringIO()
    # Not `csv_text`, because an escaped product id would not be the product's id.
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, (number, SUPPLIER, product_id, quantity)])
    return f"{number}.csv", text.getvalue().encode()


def escape_markdown(text: str) -> str:
    """Return untrusted text on one line, escaped for Markdown."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return re.sub(r"([^\w\s])", r"\\\1", " ".join(printable.split()))
