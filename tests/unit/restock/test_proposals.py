"""Restock proposals, one per alert, and the delivery note of an approved one."""

from datetime import UTC, datetime

import pytest

from shopnow.alerts import order_suggestion
from shopnow.alerts.proposals import Proposal
from shopnow.restock import delivery_note, proposals

PROPOSAL = Proposal(
    fingerprint="low_stock:p-1",
    dedup_key="one",
    rule="low_stock",
    severity="warning",
    product_id="p-1",
    product_name="Mug",
    since=datetime(2026, 7, 1, tzinfo=UTC),
)
COVER = {"reorder_point": 20, "demand_per_day": 3.4, "lead_time_days": 5.0}


def test_the_run_id_identifies_the_alert():
    ids = [("low_stock:p-1", "one"), ("low_stock:p-1", "two"), ("stock_out:p-1", "one")]
    assert len({proposals.run_id(*proposal) for proposal in ids}) == 3


def test_a_product_id_of_any_text_gives_a_valid_run_id():
    run_id = proposals.run_id("low_stock:" + "é/ ?#%\n" * 40, "one")
    assert len(run_id) < 250
    assert run_id.replace("_", "").replace("-", "").isalnum()


@pytest.mark.parametrize(
    ("row", "on_hand", "requested", "quantity", "days"),
    [
        (COVER, 2, None, 35, 5.0),  # reorder point 20, expected demand 17, on hand 2
        (COVER, 2, 9, 9, 5.0),
        (COVER, 90, None, 1, 5.0),
        ({**COVER, "demand_per_day": None, "lead_time_days": None}, 0, None, 20, 0.0),
        ({**COVER, "reorder_point": None}, 2, None, order_suggestion.DEFAULT_QUANTITY, 0.0),
        (None, 2, None, order_suggestion.DEFAULT_QUANTITY, 0.0),
        (None, 2, 10**9, order_suggestion.MAX_QUANTITY, 0.0),
    ],
)
def test_the_suggestion_covers_demand_during_the_lead_time(row, on_hand, requested, quantity, days):
    suggestion = order_suggestion.suggest(row, on_hand, requested)
    assert (suggestion.quantity, suggestion.lead_time_days) == (quantity, days)
    assert suggestion.reason


def test_the_prompt_escapes_names():
    hostile = PROPOSAL._replace(product_name="Mug](http://evil) <b>*now*</b>\n# {{ conf }}")
    params = proposals.dag_params(hostile, on_hand=2)
    subject, body = proposals.approval_prompt(params, order_suggestion.suggest(None, 2))
    assert subject == "Restock Mug](http://evil) <b>*now*</b> # {{ conf }} (p-1)?"  # shown as plain text
    assert r"Mug\]\(http\:\/\/evil\) \<b\>\*now\*\<\/b\> \# \{\{ conf \}\}" in body


ANSWER = {"chosen_options": ["Approve"], "responded_at": "2026-07-01T12:00:00+00:00"}
SUGGESTED = {"pieces": 50, "delivered_in_days": 2.5}


def test_the_answer_overrides_the_suggestion():
    order = proposals.approved_order(
        {**ANSWER, "params_input": {"pieces": 7, "delivered_in_days": 0, "reason": ""}}, SUGGESTED
    )
    assert order == (7, "2026-07-01T12:00:00+00:00")
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert proposals.approved_order({**ANSWER, "responded_at": at, "params_input": {}}, SUGGESTED) == (
        50,
        "2026-07-04T00:00:00+00:00",
    )


@pytest.mark.parametrize("product_id", ["p-1", 'a "quoted", one'])
def test_the_delivery_note_is_valid_and_deterministic(product_id):
    name, data = proposals.make_delivery_note("run", product_id, 35)
    assert delivery_note.parse(data) == (name.removesuffix(".csv"), proposals.SUPPLIER, [(product_id, 35)])
    assert proposals.make_delivery_note("run", product_id, 35) == (name, data)
    assert proposals.make_delivery_note("another run", product_id, 35)[0] != name
