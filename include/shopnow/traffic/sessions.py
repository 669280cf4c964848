"""Simulation of one session: view → cart → order → payment, with abandonment at every step.

The life cycle of an order after the session is in `shopnow.traffic.orders`.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from shopnow.events import (
    CartItemAdded,
    CartItemRemoved,
    Method,
    OrderItem,
    OrderPlaced,
    PaymentFailed,
    PaymentSucceeded,
    ProductViewed,
)
from shopnow.traffic.catalogue import CATALOGUE, CURRENCY, PRODUCTS, Product, weighted_picker
from shopnow.traffic.event_buffer import KIND_INDEX, NO_LEDGER_FIELDS, EventBuffer, LedgerFields
from shopnow.traffic.inventory import Inventory
from shopnow.traffic.json_templates import escape, template
from shopnow.traffic.scenarios import Conditions
from shopnow.traffic.shoppers import customer_id, shopper
from shopnow.traffic.state import OpenOrder

MAX_ATTEMPTS = 3
"""Maximum number of payment attempts per order."""
QUANTITIES = (1, 1, 1, 1, 1, 1, 2, 2, 3)
FAILURE_REASONS: dict[Method, tuple[bytes, ...]] = {
    "card": (b"card declined", b"insufficient funds", b"authentication timed out"),
    "debit": (b"insufficient funds", b"authentication timed out"),
    "paypal": (b"account limited", b"authentication timed out"),
    "transfer": (b"transfer not received", b"wrong amount received"),
}
OUTAGE_REASON = b"provider unavailable"
"""Failure reason of a payment method that fails more often than not."""
CRAWLERS = 12
"""Number of distinct bots."""

_MAX_VIEWS = 20

_VIEWED, _ADDED, _REMOVED, _PLACED, _PAID, _FAILED = (
    KIND_INDEX[kind]
    for kind in (ProductViewed, CartItemAdded, CartItemRemoved, OrderPlaced, PaymentSucceeded, PaymentFailed)
)


class ProductTemplates(NamedTuple):
    """The body templates of a product's events and of its order item, with the product filled in."""

    product_id: str
    viewed: bytes
    added: bytes
    removed: bytes
    item: bytes


def _templates(product: Product) -> ProductTemplates:
    constants = {
        "product_id": product.product_id,
        "unit_price_cents": product.price_cents,
        "currency": CURRENCY,
    }
    return ProductTemplates(
        product.product_id,
        template(ProductViewed, **constants, category=product.category),
        template(CartItemAdded, **constants),
        template(CartItemRemoved, product_id=product.product_id),
        _item_template(product),
    )


def _item_template(product: Product) -> bytes:
    """Build the template of the product as an order item, with `%d` for the quantity."""
    quantity = 987_654  # occurs nowhere else in the item
    item = OrderItem(
        product_id=product.product_id,
        product_name=product.name,
        category=product.category,
        quantity=quantity,
        unit_price_cents=product.price_cents,
    )
    return msgspec.json.encode(item).replace(b"%", b"%%").replace(b":%d," % quantity, b":%d,")


_PRODUCT_TEMPLATES = [_templates(product) for product in CATALOGUE]
_ITEMS = {templates.product_id: templates.item for templates in _PRODUCT_TEMPLATES}
_ORDER, _SUCCESS, _FAILURE = (
    template(kind, currency=CURRENCY) for kind in (OrderPlaced, PaymentSucceeded, PaymentFailed)
)


def product_chooser(draw: Callable[[], float], conditions: Conditions) -> Callable[[], ProductTemplates]:
    """Return a function that chooses the next product to view."""
    any_product = weighted_picker(draw, _PRODUCT_TEMPLATES)
    if not conditions.on_sale or not conditions.on_sale_share:
        return any_product
    on_sale, share = weighted_picker(draw, _PRODUCT_TEMPLATES[: conditions.on_sale]), conditions.on_sale_share
    return lambda: on_sale() if draw() < share else any_product()


class VisitSimulator:
    """Simulates one visit at a time: call `shop` or `crawl`, then `end`.

    The events of a visit are buffered with the time elapsed since its start, until `end` converts them to
    absolute times. Visits are simulated in the order they *end*, so a sale is never timed before the stock
    changes of visits that were simulated earlier.
    """

    def __init__(self, buffer: EventBuffer, inventory: Inventory, draw: Callable[[], float]) -> None:
        self._buffer = buffer
        self._inventory = inventory
        self._draw = draw
        self._first = 0
        self._elapsed = 0

    def shop(
        self,
        session_id: bytes,
        customer: int,
        number: bytes,
        conditions: Conditions,
        choose: Callable[[], ProductTemplates],
    ) -> OpenOrder | None:
        """Simulate a shopper's visit.

        Args:
            customer: number of the customer.
            number: hexadecimal number of the order, if one is placed.
            choose: returns the next product to view.

        Returns:
            The order if one was placed; it is paid if it has a `payment_id`.
        """
        draw = self._draw
        self._first = len(self._buffer.times)
        cart, unmet = self._browse(session_id, customer_id(customer), conditions, choose)
        if not (cart or unmet) or draw() >= conditions.orders:
            return None
        order = self._order(session_id, customer, number, cart, conditions) if cart else None
        attempts = _attempts(conditions, draw) if draw() < conditions.pays else []
        if order:
            self._pay(order, attempts)
        if attempts and not attempts[-1][1]:
            for product_id, pieces in unmet.items():
                self._inventory.record_lost_sale(product_id, pieces)
        return order

    def crawl(self, session_id: bytes, choose: Callable[[], ProductTemplates]) -> None:
        """Simulate a bot's visit: a rapid sequence of product views."""
        self._first = len(self._buffer.times)
        visitor = (session_id, b"bot-%02d" % int(self._draw() * CRAWLERS))
        for _ in range(30 + int(self._draw() * 60)):
            self._add(1, _VIEWED, session_id, choose().viewed % visitor)

    def end(self, opened: int, at: int) -> None:
        """Set the times of the visit's events in ms, the last one at `at` and none before `opened`."""
        times, first, elapsed, self._elapsed = self._buffer.times, self._first, self._elapsed, 0
        if at - elapsed >= opened:
            start = at - elapsed
            times[first:] = [start + time for time in times[first:]]
        else:
            scale = (at - opened) / elapsed
            times[first:] = [at - int((elapsed - time) * scale) for time in times[first:]]

    def _add(
        self, seconds: int, kind: int, key: bytes, body: bytes, fields: LedgerFields = NO_LEDGER_FIELDS
    ) -> None:
        """Add an event up to `seconds` after the one before."""
        self._elapsed += 200 + int(self._draw() * seconds * 1000)
        self._buffer.times.append(self._elapsed)
        self._buffer.entries.append((kind, key, body, fields))

    def _browse(
        self,
        session_id: bytes,
        customer: bytes,
        conditions: Conditions,
        choose: Callable[[], ProductTemplates],
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Return the final cart and the unmet demand, both as pieces by product id."""
        # The hot loop of the simulation: it appends most events directly instead of calling `_add`.
        draw, request = self._draw, self._inventory.request
        times, entries = self._buffer.times, self._buffer.entries
        visitor = (session_id, customer)
        elapsed = 0
        cart: dict[str, int] = {}
        unmet: dict[str, int] = {}
        for _ in range(_MAX_VIEWS):
            product_id, viewed, added, removed, _ = choose()
            elapsed += 200 + int(draw() * 60_000)
            times.append(elapsed)
            entries.append((_VIEWED, session_id, viewed % visitor, NO_LEDGER_FIELDS))
            if draw() < conditions.adds and product_id not in cart:
                pieces = QUANTITIES[int(draw() * len(QUANTITIES))]
                available = request(product_id, pieces)
                if available < pieces:
                    unmet[product_id] = pieces - available
                self._elapsed = elapsed
                if available:
                    cart[product_id] = available
                    self._add(30, _ADDED, session_id, added % (*visitor, available))
                    if draw() < conditions.removes:
                        del cart[product_id]
                        self._add(60, _REMOVED, session_id, removed % (*visitor, available))
                elif draw() < conditions.leaves_if_sold_out:
                    break
                elapsed = self._elapsed
            if draw() >= conditions.looks_on:
                break
        self._elapsed = elapsed
        return cart, unmet

    def _order(
        self, session_id: bytes, customer: int, number: bytes, cart: dict[str, int], conditions: Conditions
    ) -> OpenOrder:
        person = shopper(customer)
        order_id = b"o-" + number
        units = sum(cart.values())
        gross = sum(PRODUCTS[product_id].price_cents * quantity for product_id, quantity in cart.items())
        discount = gross * conditions.discount_percent // 100 if self._draw() < conditions.discounted else 0
        coupon = b'"coupon":"%s",' % escape(conditions.coupon) if discount and number < b"8" else b""
        items = b",".join([_ITEMS[product_id] % quantity for product_id, quantity in cart.items()])
        visitor = (session_id, person.customer_id, person.name, person.country)
        total = gross - discount
        body = _ORDER % (order_id, *visitor, b"[%s]" % items, discount, total, person.address, coupon)
        name = order_id.decode()
        self._add(120, _PLACED, order_id, body, (name, None, units, None, gross))
        return OpenOrder(name, person.address.decode(), list(cart.items()), total)

    def _pay(self, order: OpenOrder, attempts: list[tuple[Method, bytes]]) -> None:
        fields = (order.order_id, None, None, None, order.amount_cents)
        order_id = order.order_id.encode()
        for attempt, (method, reason) in enumerate(attempts, 1):
            payment_id = b"pay-%s-%d" % (order_id[2:], attempt)
            values = (payment_id, order_id, method.encode(), order.amount_cents, attempt)
            if reason:
                self._add(60, _FAILED, order_id, _FAILURE % (*values, reason), fields)
            else:
                order.payment_id, order.method, order.attempt = payment_id.decode(), method, attempt
                self._add(60, _PAID, order_id, _SUCCESS % values, fields)


def _attempts(conditions: Conditions, draw: Callable[[], float]) -> list[tuple[Method, bytes]]:
    """Draw the payment attempts: method and failure reason, which is empty for success."""
    attempts: list[tuple[Method, bytes]] = []
    while len(attempts) < MAX_ATTEMPTS:
        name = _choose_method(conditions, draw)
        fails = conditions.methods[name].fails
        if draw() >= fails:
            return [*attempts, (name, b"")]
        reasons = (OUTAGE_REASON,) if fails > 0.5 else FAILURE_REASONS[name]
        attempts.append((name, reasons[int(draw() * len(reasons))]))
        if draw() >= conditions.tries_again:
            break
    return attempts


def _choose_method(conditions: Conditions, draw: Callable[[], float]) -> Method:
    """Draw a payment method by its share."""
    remaining = draw() * sum(method.share for method in conditions.methods.values())
    for name, method in conditions.methods.items():
        remaining -= method.share
        if remaining < 0:
            return name
    return name
