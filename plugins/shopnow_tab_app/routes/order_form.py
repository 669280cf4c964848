"""Orders and payments a person makes on the pages: events like any other, checked and sent once as everybody's are."""

import json
from collections.abc import Mapping
from random import Random
from typing import Annotated, Any, Literal

from fastapi import HTTPException
from pydantic import BaseModel, Field, StringConstraints

from shopnow.broker.client import Conf
from shopnow.submission.service import encode_events, submit
from shopnow.traffic.catalogue import CATALOGUE, CURRENCY, PRODUCTS
from shopnow.traffic.shoppers import shopper
from shopnow_tab_app.pages.payments import Method
from shopnow_tab_app.routes.request_id import Once, time_of

DAG = "send_events"
"""Whoever may trigger it may send from here."""
CUSTOMERS = 10_000

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Id = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class Item(BaseModel):
    product_id: _Id
    quantity: Annotated[int, Field(ge=1, le=1000)] = 1


class NewOrder(Once):
    """An order; without items the shop makes one up, as a shopper might."""

    customer_name: _Text | None = None
    country: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")] | None = None
    address: _Text | None = None
    items: Annotated[list[Item], Field(default_factory=list, max_length=20)]


class NewPayment(Once):
    order_id: _Id
    method: Method
    amount_cents: Annotated[int, Field(ge=1, le=10**12)]
    outcome: Literal["succeeded", "failed"] = "succeeded"


class Receipt(BaseModel):
    """Where an event went."""

    service: str
    topic: str
    partition: int
    offset: int
    event_id: str
    event_type: str
    subject: str
    """The order's id."""
    cents: int
    currency: str


class Product(BaseModel):
    """What can be ordered."""

    product_id: str
    name: str
    category: str
    price_cents: int


def products() -> list[Product]:
    return [
        Product(
            product_id=each.product_id, name=each.name, category=each.category, price_cents=each.price_cents
        )
        for each in CATALOGUE
    ]


def order(conf: Conf, asked: NewOrder) -> Receipt:
    """Send an order.

    Raises:
        UserError: Kafka does not answer.
    """
    event = order_event(asked)
    return _send(conf, asked.request_id, event, event["total_cents"])


def payment(conf: Conf, asked: NewPayment) -> Receipt:
    """Send a payment, or an attempt that failed.

    Raises:
        UserError: Kafka does not answer.
    """
    return _send(conf, asked.request_id, payment_event(asked), asked.amount_cents)


def order_event(asked: NewOrder) -> dict[str, Any]:
    """The order as an event, without what every event has; what is not given is made up, the same for the same request."""
    draw = Random(asked.request_id)
    person = shopper(draw.randrange(CUSTOMERS))
    items = asked.items or [
        Item(product_id=CATALOGUE[draw.randrange(len(CATALOGUE))].product_id, quantity=draw.randint(1, 3))
    ]
    if unknown := [each.product_id for each in items if each.product_id not in PRODUCTS]:
        raise HTTPException(422, f"there is no product {unknown[0]!r}")
    lines = [
        {
            "product_id": each.product_id,
            "product_name": PRODUCTS[each.product_id].name,
            "category": PRODUCTS[each.product_id].category,
            "quantity": each.quantity,
            "unit_price_cents": PRODUCTS[each.product_id].price_cents,
        }
        for each in items
    ]
    return {
        "event_type": "order_placed",
        "order_id": f"o-{asked.request_id}",
        "session_id": f"s-{asked.request_id}",
        "customer_id": f"c-{asked.request_id}" if asked.customer_name else person.customer_id.decode(),
        "customer_name": asked.customer_name or _text(person.name),
        "country": asked.country or person.country.decode(),
        "items": lines,
        "discount_cents": 0,
        "total_cents": sum(PRODUCTS[each.product_id].price_cents * each.quantity for each in items),
        "currency": CURRENCY,
        "address": asked.address or _text(person.address),
    }


def payment_event(asked: NewPayment) -> dict[str, Any]:
    """The payment as an event, without what every event has."""
    return {
        "event_type": f"payment_{asked.outcome}",
        "payment_id": f"pay-{asked.request_id}",
        "order_id": asked.order_id,
        "method": asked.method,
        "amount_cents": asked.amount_cents,
        "currency": CURRENCY,
        "attempt": 1,
        **({"reason": "declined by hand"} if asked.outcome == "failed" else {}),
    }


def _text(escaped: bytes) -> str:
    return json.loads(b'"%s"' % escaped)


def _send(conf: Conf, request_id: str, event: Mapping[str, Any], cents: int) -> Receipt:
    report = submit(conf, f"shopnow_tab/{request_id}", encode_events(event), time_of(request_id))
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
