"""Orders and payments that a user sends from the pages, validated like any producer's and sent once."""

import json
from collections.abc import Mapping
from random import Random
from typing import Annotated, Any, Literal

from fastapi import HTTPException
from pydantic import BaseModel, Field, StringConstraints

from shopnow.broker.client import Conf
from shopnow.submission.producer import BatchConflictError
from shopnow.submission.service import encode_events, submit
from shopnow.traffic.catalogue import CATALOGUE, CURRENCY, PRODUCTS
from shopnow.traffic.shoppers import shopper
from shopnow_tab_app.pages.payments import Method
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.routes import payable_orders
from shopnow_tab_app.routes.payable_orders import PayableOrder
from shopnow_tab_app.routes.request_id import CONFLICT, IdempotentRequest, time_of

DAG = "send_events"
"""The DAG that sends events; permission to trigger it is the permission to send from the pages."""
CUSTOMERS = 10_000
"""Number of simulated customers that a random order is drawn from."""

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Id = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class Item(BaseModel):
    product_id: _Id
    quantity: Annotated[int, Field(ge=1, le=1000)] = 1


class NewOrder(IdempotentRequest):
    """An order; fields that are not given are random, as in the simulated shop."""

    customer_name: _Text | None = None
    country: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")] | None = None
    address: _Text | None = None
    items: Annotated[list[Item], Field(default_factory=list, max_length=20)]


class NewPayment(IdempotentRequest):
    """A payment of the whole amount of an order."""

    order_id: _Id
    method: Method
    outcome: Literal["succeeded", "failed"] = "succeeded"


class Receipt(BaseModel):
    """Position of the sent event in Kafka."""

    service: str
    topic: str
    partition: int
    offset: int
    event_id: str
    event_type: str
    subject: str
    """Id of the order."""
    cents: int
    currency: str


class Product(BaseModel):
    """A product that can be ordered."""

    product_id: str
    name: str
    category: str
    price_cents: int


def products() -> list[Product]:
    return [
        Product(
            product_id=product.product_id,
            name=product.name,
            category=product.category,
            price_cents=product.price_cents,
        )
        for product in CATALOGUE
    ]


def place_order(conf: Conf, order: NewOrder) -> Receipt:
    """Send an order.

    Raises:
        UserError: Kafka does not answer.
    """
    event = order_event(order)
    return _send(conf, order.request_id, event, event["total_cents"])


def pay(conf: Conf, lake: LakeReplica, payment: NewPayment) -> Receipt:
    """Send a succeeded or failed payment of an order.

    Raises:
        HTTPException: the order cannot be paid.
        UserError: Kafka does not answer, or the orders are not known yet.
    """
    at = time_of(payment.request_id)
    order = payable_orders.find(lake, payment.order_id, _payment_id(payment), at)
    return _send(conf, payment.request_id, payment_event(payment, order), order.total_cents)


def order_event(order: NewOrder) -> dict[str, Any]:
    """Return the event of an order, without the fields that all events have.

    Fields that are not given are random, seeded by the request id, so that a repeated request gives the same
    event.
    """
    draw = Random(order.request_id)
    customer = shopper(draw.randrange(CUSTOMERS))
    items = order.items or [
        Item(product_id=CATALOGUE[draw.randrange(len(CATALOGUE))].product_id, quantity=draw.randint(1, 3))
    ]
    if unknown := [item.product_id for item in items if item.product_id not in PRODUCTS]:
        raise HTTPException(422, f"unknown product {unknown[0]!r}; GET /api/products lists the product ids")
    return {
        "event_type": "order_placed",
        "order_id": f"o-{order.request_id}",
        "session_id": f"s-{order.request_id}",
        "customer_id": f"c-{order.request_id}" if order.customer_name else customer.customer_id.decode(),
        "customer_name": order.customer_name or _unescape(customer.name),
        "country": order.country or customer.country.decode(),
        "items": [
            {
                "product_id": item.product_id,
                "product_name": PRODUCTS[item.product_id].name,
                "category": PRODUCTS[item.product_id].category,
                "quantity": item.quantity,
                "unit_price_cents": PRODUCTS[item.product_id].price_cents,
            }
            for item in items
        ],
        "discount_cents": 0,
        "total_cents": sum(PRODUCTS[item.product_id].price_cents * item.quantity for item in items),
        "currency": CURRENCY,
        "address": order.address or _unescape(customer.address),
    }


def payment_event(payment: NewPayment, order: PayableOrder) -> dict[str, Any]:
    """Return the event of a payment, without the fields that all events have."""
    return {
        "event_type": f"payment_{payment.outcome}",
        "payment_id": _payment_id(payment),
        "order_id": payment.order_id,
        "method": payment.method,
        "amount_cents": order.total_cents,
        "currency": order.currency,
        "attempt": order.attempts + 1,
        **({"reason": "declined by hand"} if payment.outcome == "failed" else {}),
    }


def _payment_id(payment: NewPayment) -> str:
    return f"pay-{payment.request_id}"


def _unescape(escaped: bytes) -> str:
    """Decode the contents of a JSON string."""
    return json.loads(b'"%s"' % escaped)


def _send(conf: Conf, request_id: str, event: Mapping[str, Any], cents: int) -> Receipt:
    at = time_of(request_id)
    try:
        report = submit(conf, f"shopnow_tab/{request_id}", encode_events(event), at)
    except BatchConflictError:
        raise HTTPException(409, CONFLICT) from None
    if report.rejected:
        raise HTTPException(422, report.rejected[0].problem)
    sent = report.sent[0]
    return Receipt(
        service=sent.topic,
        topic=sent.topic,
        partition=sent.partition,
        offset=sent.offset,
        event_id=sent.event_id,
        event_type=sent.event_type,
        subject=event["order_id"],
        cents=cents,
        currency=event["currency"],
    )
