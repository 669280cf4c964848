"""What happens to an order after its shopper has left: pending → in transit → delivered, or cancelled, or refunded.

An order's whole future is drawn when it is placed, as steps with their times; each step happens when the shop's clock
gets there, in this run or a later one.
"""

from random import Random

from shopnow.events import (
    DeliveryCreated,
    DeliveryDelivered,
    DeliveryInTransit,
    OrderCancelled,
    PaymentRefunded,
    StockAdjusted,
)
from shopnow.traffic.arrivals import DAY, HOUR
from shopnow.traffic.catalogue import CURRENCY, PRODUCTS
from shopnow.traffic.journal import Journal, moment
from shopnow.traffic.state import OpenOrder, Shop, Step

MINUTE = 60_000

CANCELLED = 0.04
"""Share of paid orders that are called off before they are shipped."""
REFUNDED = 0.05
"""Share of delivered orders of which some or all is paid back."""
EXPIRES_AFTER = 30 * MINUTE
"""An order not paid by then is cancelled."""

_DELIVERIES = {"create": (DeliveryCreated, 0.0), "ship": (DeliveryInTransit, 0.5), "deliver": (DeliveryDelivered, 1.0)}


def plan(order: OpenOrder, at: int, rng: Random) -> None:
    """Draw the future of an order that was left at `at`, paid or not: fills its steps."""

    def within(earliest: int, latest: int) -> int:
        return earliest + int(rng.random() * (latest - earliest))

    if not order.payment_id:
        order.steps = [(at + EXPIRES_AFTER, "expire")]
        return
    order.promised_at = ((at + DAY) // HOUR + 1) * HOUR
    created = at + within(MINUTE, 10 * MINUTE)
    if rng.random() < CANCELLED:
        order.steps = [(created, "create"), (created + within(MINUTE, 45 * MINUTE), "cancel")]
        return
    shipped = created + within(1 * HOUR, 4 * HOUR)
    delivered = shipped + within(2 * HOUR, 10 * HOUR)
    order.steps = [(created, "create"), (shipped, "ship"), (delivered, "deliver")]
    if rng.random() < REFUNDED:
        order.refund_cents = order.amount_cents if rng.random() < 0.5 else order.amount_cents // 2
        order.steps.append((delivered + within(1 * HOUR, 12 * HOUR), "refund"))


def perform(step: Step, order: OpenOrder, at: int, shop: Shop, journal: Journal) -> None:
    """Do a step of an order: change the shop and write the events."""
    match step:
        case "expire":
            journal.add(OrderCancelled, at, order_id=order.order_id, reason="not paid")
        case "cancel":
            journal.add(OrderCancelled, at, order_id=order.order_id, reason="customer changed their mind")
            _refund(order, order.amount_cents, "order cancelled", at, journal)
            _put_back(order, at, shop, journal)
        case "refund":
            _refund(order, order.refund_cents, "goods returned damaged", at, journal)
        case _:
            kind, progress = _DELIVERIES[step]
            journal.add(
                kind,
                at,
                delivery_id=f"d-{order.order_id[2:]}",
                order_id=order.order_id,
                address=order.address,
                promised_at=moment(order.promised_at),
                progress=progress,
            )


def _refund(order: OpenOrder, amount_cents: int, reason: str, at: int, journal: Journal) -> None:
    journal.add(
        PaymentRefunded,
        at,
        payment_id=order.payment_id,
        order_id=order.order_id,
        method=order.method,
        amount_cents=amount_cents,
        currency=CURRENCY,
        attempt=order.attempt,
        reason=reason,
    )


def _put_back(order: OpenOrder, at: int, shop: Shop, journal: Journal) -> None:
    for product_id, quantity in order.items:
        shelf = shop.shelves[product_id]
        shelf.quantity += quantity
        journal.add(
            StockAdjusted,
            at,
            product_id=product_id,
            product_name=PRODUCTS[product_id].name,
            quantity_change=quantity,
            quantity_after=shelf.quantity,
            reason="order cancelled",
        )
