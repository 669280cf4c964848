"""Single valid events for tests: examples in which a test overrides the fields that it is about.

The other factories of events differ in purpose: `shop_events` simulates a shop, `random_events` draws events
that no shop would send, `oracle_events` has one-letter ids for figures worked out by hand, and `fuzz_inputs`
makes invalid input.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

import msgspec

from shopnow.events import Event, OrderItem, OrderPlaced, PaymentSucceeded, encode
from shopnow.examples import example
from shopnow.ids import uuid7

NEW_YEAR = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SALE_FIGURES = {
    "orders": 1,
    "units": 2,
    "gmv_cents": 100,
    "payments_succeeded": 1,
    "paid_cents": 100,
    "net_revenue_cents": 100,
}
"""What one `sale` adds to the sales KPIs."""

_numbers = count()


def event_id(number: int) -> str:
    """Return the event id of a number: a UUIDv7 of the time 0, greater for a greater number."""
    return uuid7(0, f"{number:019x}")


def unique_event_id() -> str:
    """Return an event id of now that no other call returns."""
    return uuid7(round(time.time() * 1000), uuid4().hex)


def event(type_: type[Event], time: str | datetime, **fields: Any) -> Any:
    """Return an event of a type; each event has a greater event_id than those made before it."""
    at = datetime.fromisoformat(time) if isinstance(time, str) else time
    new_id = f"0199d3f0-1111-7abc-8def-{next(_numbers):012}"
    return msgspec.structs.replace(example(type_), **{"event_id": new_id, "event_time": at, **fields})


def order_item(
    product: str = "p", quantity: int = 1, price: int = 100, category: str = "c", name: str = ""
) -> OrderItem:
    """Return an item of an order; the default name is the product id in upper case."""
    return OrderItem(
        product_id=product,
        product_name=name or product.upper(),
        category=category,
        quantity=quantity,
        unit_price_cents=price,
    )


def sale(at: datetime) -> Iterator[Event]:
    """Yield a new order of two units at 50 cents and its payment; `SALE_FIGURES` has their figures.

    Their event ids begin with the event time, because the search for repeated events selects dates by ids.
    """
    number = next(_numbers)
    for type_, fields in (
        (OrderPlaced, {"items": [order_item(quantity=2, price=50)], "discount_cents": 0, "total_cents": 100}),
        (PaymentSucceeded, {"payment_id": f"p{number}", "amount_cents": 100}),
    ):
        new_id = uuid7(int(at.timestamp() * 1000), f"{next(_numbers):019x}")
        yield event(type_, at, event_id=new_id, order_id=f"o{number}", **fields)


def payment_record(number: int, at: datetime = NEW_YEAR, version: int = 1) -> bytes:
    """Return a valid record value for the payments topic, the same bytes for the same arguments."""
    payment = event(
        PaymentSucceeded,
        at,
        event_id=event_id(number),
        schema_version=version,
        payment_id=f"payment-{number}",
        order_id=f"order-{number}",
        amount_cents=number,
    )
    return encode(payment)
