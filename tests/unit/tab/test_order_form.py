"""Orders and payments of the pages: valid events, identical for repeated requests."""

import json
from datetime import UTC, datetime

import pytest
from fastapi import HTTPException

from shopnow.ids import uuid7
from shopnow.submission.validation import Defaults, check
from shopnow_tab_app.routes import order_form
from shopnow_tab_app.routes.order_form import Item, NewOrder, NewPayment
from shopnow_tab_app.routes.payable_orders import PayableOrder
from shopnow_tab_app.routes.request_id import time_of

REQUEST = uuid7(1_790_000_000_000, "0123456789abcdef" * 2)


def is_valid(event: dict) -> bool:
    batch = check(json.dumps(event).encode(), Defaults(datetime.now(UTC), lambda number: REQUEST))
    return not batch.rejected


def test_random_order_is_valid_and_identical_for_the_same_request() -> None:
    event = order_form.order_event(NewOrder(request_id=REQUEST))
    assert is_valid(event)
    assert event == order_form.order_event(NewOrder(request_id=REQUEST))


def test_order_has_the_requested_values() -> None:
    order = NewOrder(
        request_id=REQUEST, customer_name="Zoé", country="FR", items=[Item(product_id="p-009", quantity=2)]
    )
    event = order_form.order_event(order)
    assert is_valid(event)
    assert (event["customer_name"], event["total_cents"]) == ("Zoé", 5_980)


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_payment_is_valid(outcome: str) -> None:
    assert is_valid(
        order_form.payment_event(
            NewPayment(request_id=REQUEST, order_id="o-1", method="card", outcome=outcome),
            PayableOrder(total_cents=100, currency="USD", attempts=2),
        )
    )


def test_unknown_product_is_named() -> None:
    with pytest.raises(HTTPException, match="unknown product 'p-999'"):
        order_form.order_event(NewOrder(request_id=REQUEST, items=[Item(product_id="p-999")]))


@pytest.mark.parametrize("request_id", ["x", REQUEST])
def test_request_id_is_rejected_unless_it_is_a_recent_uuid7(request_id: str) -> None:
    with pytest.raises(HTTPException, match="request_id"):
        time_of(request_id)
