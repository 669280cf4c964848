"""What happens to an order after its shopper has left: pending → in transit → delivered, or cancelled, or refunded.

An order's whole future is drawn when it is placed, as steps with their times; each step happens when the shop's clock
gets there, in this run or a later one.
"""

from collections.abc import Callable
from functools import lru_cache

from shopnow.events import (
    DeliveryCreated,
    DeliveryDelivered,
    DeliveryInTransit,
    OrderCancelled,
    PaymentRefunded,
)
from shopnow.traffic.arrivals import DAY, HOUR
from shopnow.traffic.catalogue import CURRENCY
from shopnow.traffic.event_buffer import KIND_INDEX, EventBuffer, to_datetime
from shopnow.traffic.inventory import Inventory
from shopnow.traffic.json_templates import template
from shopnow.traffic.scenarios import Conditions
from shopnow.traffic.state import OpenOrder, Step

MINUTE = 60_000

EXPIRES_AFTER = 30 * MINUTE
"""An order not paid by then is cancelled."""

_DELIVERIES = {
    step: (KIND_INDEX[kind], template(kind, progress=progress))
    for step, kind, progress in (
        ("create", DeliveryCreated, 0.0),
        ("ship", DeliveryInTransit, 0.5),
        ("deliver", DeliveryDelivered, 1.0),
    )
}
_CANCELLED, _REFUNDED = template(OrderCancelled), template(PaymentRefunded, currency=CURRENCY)


def plan(order: OpenOrder, at: int, draw: Callable[[], float], conditions: Conditions) -> None:
    """Draw the future of an order that was left at `at`, paid or not: fills its steps."""

    def within(earliest: int, latest: int) -> int:
        return earliest + int(draw() * (latest - earliest))

    if not order.payment_id:
        order.steps = [(at + EXPIRES_AFTER, "expire")]
        return
    order.promised_at = ((at + DAY) // HOUR + 1) * HOUR
    created = at + within(MINUTE, 10 * MINUTE)
    if draw() < conditions.cancels:
        order.steps = [(created, "create"), (created + within(MINUTE, 45 * MINUTE), "cancel")]
        return
    shipped = created + within(1 * HOUR, 4 * HOUR)
    if draw() < conditions.late_deliveries:
        delivered = order.promised_at + within(1 * HOUR, 2 * DAY)
    else:
        delivered = shipped + within(2 * HOUR, 10 * HOUR)
    order.steps = [(created, "create"), (shipped, "ship"), (delivered, "deliver")]
    if draw() < conditions.refunds:
        order.refund_cents = order.amount_cents if draw() < 0.5 else order.amount_cents // 2
        order.steps.append((delivered + within(1 * HOUR, 12 * HOUR), "refund"))


def perform(step: Step, order: OpenOrder, at: int, shelves: Inventory, journal: EventBuffer) -> None:
    """Do a step of an order: change the shop and write the events."""
    match step:
        case "expire":
            _cancel(order, b"not paid", at, journal)
        case "cancel":
            _cancel(order, b"customer changed their mind", at, journal)
            _refund(order, order.amount_cents, b"order cancelled", at, journal)
            shelves.put_back(order.items, at)
        case "refund":
            _refund(order, order.refund_cents, b"goods returned damaged", at, journal)
        case _:
            kind, body = _DELIVERIES[step]
            facts = (order.order_id, None, None, None, None)
            order_id = order.order_id.encode()
            words = (b"d-" + order_id[2:], order_id, order.address.encode(), _text(order.promised_at))
            journal.add(at, kind, order_id, body % words, facts)


def _cancel(order: OpenOrder, reason: bytes, at: int, journal: EventBuffer) -> None:
    order_id = order.order_id.encode()
    body = _CANCELLED % (order_id, reason)
    journal.add(at, KIND_INDEX[OrderCancelled], order_id, body, (order.order_id, None, None, None, None))


def _refund(order: OpenOrder, amount_cents: int, reason: bytes, at: int, journal: EventBuffer) -> None:
    order_id = order.order_id.encode()
    body = _REFUNDED % (
        order.payment_id.encode(),
        order_id,
        order.method.encode(),
        amount_cents,
        order.attempt,
        reason,
    )
    journal.add(
        at, KIND_INDEX[PaymentRefunded], order_id, body, (order.order_id, None, None, None, amount_cents)
    )


@lru_cache(maxsize=1024)
def _text(at: int) -> bytes:
    """The time as it stands in JSON; promises are made for whole hours, so many are the same."""
    return to_datetime(at).isoformat().replace("+00:00", "Z").encode()
