"""The life cycle of an order after the visit: pending → in transit → delivered, or cancelled, or refunded.

All steps of an order and their times are drawn when it is placed; each step is performed when the shop's
clock reaches its time, in this run or a later one.
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

PAYMENT_TIMEOUT = 30 * MINUTE
"""Time after which an unpaid order is cancelled."""

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
    """Draw the steps of an order whose visit ended at `at`, and set them on the order."""

    def between(earliest: int, latest: int) -> int:
        return earliest + int(draw() * (latest - earliest))

    if not order.payment_id:
        order.steps = [(at + PAYMENT_TIMEOUT, "expire")]
        return
    order.promised_at = ((at + DAY) // HOUR + 1) * HOUR
    created = at + between(MINUTE, 10 * MINUTE)
    if draw() < conditions.cancels:
        order.steps = [(created, "create"), (created + between(MINUTE, 45 * MINUTE), "cancel")]
        return
    shipped = created + between(1 * HOUR, 4 * HOUR)
    if draw() < conditions.late_deliveries:
        delivered = order.promised_at + between(1 * HOUR, 2 * DAY)
    else:
        delivered = shipped + between(2 * HOUR, 10 * HOUR)
    order.steps = [(created, "create"), (shipped, "ship"), (delivered, "deliver")]
    if draw() < conditions.refunds:
        order.refund_cents = order.amount_cents if draw() < 0.5 else order.amount_cents // 2
        order.steps.append((delivered + between(1 * HOUR, 12 * HOUR), "refund"))


def perform(step: Step, order: OpenOrder, at: int, inventory: Inventory, buffer: EventBuffer) -> None:
    """Perform a step of an order: change the inventory and emit the events."""
    match step:
        case "expire":
            _cancel(order, b"not paid", at, buffer)
        case "cancel":
            _cancel(order, b"customer changed their mind", at, buffer)
            _refund(order, order.amount_cents, b"order cancelled", at, buffer)
            inventory.put_back(order.items, at)
        case "refund":
            _refund(order, order.refund_cents, b"goods returned damaged", at, buffer)
        case _:
            kind, body = _DELIVERIES[step]
            order_id = order.order_id.encode()
            values = (b"d-" + order_id[2:], order_id, order.address.encode(), _format_time(order.promised_at))
            buffer.add(at, kind, order_id, body % values, (order.order_id, None, None, None, None))


def _cancel(order: OpenOrder, reason: bytes, at: int, buffer: EventBuffer) -> None:
    order_id = order.order_id.encode()
    body = _CANCELLED % (order_id, reason)
    buffer.add(at, KIND_INDEX[OrderCancelled], order_id, body, (order.order_id, None, None, None, None))


def _refund(order: OpenOrder, amount_cents: int, reason: bytes, at: int, buffer: EventBuffer) -> None:
    order_id = order.order_id.encode()
    body = _REFUNDED % (
        order.payment_id.encode(),
        order_id,
        order.method.encode(),
        amount_cents,
        order.attempt,
        reason,
    )
    buffer.add(
        at, KIND_INDEX[PaymentRefunded], order_id, body, (order.order_id, None, None, None, amount_cents)
    )


@lru_cache(maxsize=1024)
def _format_time(at: int) -> bytes:
    """Format a time in ms for JSON; cached, as promised times are whole hours and repeat."""
    return to_datetime(at).isoformat().replace("+00:00", "Z").encode()
