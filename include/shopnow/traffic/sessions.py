"""One visit to the shop: view → cart → order → pay, with a way out at every step.

What happens to an order after the shopper has left is in `shopnow.traffic.orders`.
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

ATTEMPTS = 3
"""How often a payment is tried at most."""
QUANTITIES = (1, 1, 1, 1, 1, 1, 2, 2, 3)
FAILURES: dict[Method, tuple[bytes, ...]] = {
    "card": (b"card declined", b"insufficient funds", b"authentication timed out"),
    "debit": (b"insufficient funds", b"authentication timed out"),
    "paypal": (b"account limited", b"authentication timed out"),
    "transfer": (b"transfer not received", b"wrong amount received"),
}
OUTAGE = b"provider unavailable"
"""Why payments fail by a method that more than half of them fail by."""
CRAWLERS = 12
"""How many bots there are: each comes again and again."""

_VIEWS_AT_MOST = 20

_VIEWED, _ADDED, _REMOVED, _PLACED, _PAID, _FAILED = (
    KIND_INDEX[kind]
    for kind in (ProductViewed, CartItemAdded, CartItemRemoved, OrderPlaced, PaymentSucceeded, PaymentFailed)
)


class ProductTemplates(NamedTuple):
    """A product as visitors meet it: its part in the bodies of events, filled in."""

    product_id: str
    viewed: bytes
    added: bytes
    removed: bytes
    item: bytes


def _display(product: Product) -> ProductTemplates:
    what = {"product_id": product.product_id, "unit_price_cents": product.price_cents, "currency": CURRENCY}
    return ProductTemplates(
        product.product_id,
        template(ProductViewed, **what, category=product.category),
        template(CartItemAdded, **what),
        template(CartItemRemoved, product_id=product.product_id),
        _item(product),
    )


def _item(product: Product) -> bytes:
    """The product in the items of an order, with `%d` for the quantity."""
    quantity = 987_654
    item = OrderItem(
        product_id=product.product_id,
        product_name=product.name,
        category=product.category,
        quantity=quantity,
        unit_price_cents=product.price_cents,
    )
    return msgspec.json.encode(item).replace(b"%", b"%%").replace(b":%d," % quantity, b":%d,")


_DISPLAYS = [_display(product) for product in CATALOGUE]
_ITEMS = {display.product_id: display.item for display in _DISPLAYS}
_ORDER, _SUCCESS, _FAILURE = (
    template(kind, currency=CURRENCY) for kind in (OrderPlaced, PaymentSucceeded, PaymentFailed)
)


def product_chooser(draw: Callable[[], float], conditions: Conditions) -> Callable[[], ProductTemplates]:
    """A function that gives the next product someone looks at."""
    anything = weighted_picker(draw, _DISPLAYS)
    if not conditions.on_sale or not conditions.on_sale_share:
        return anything
    on_sale, share = weighted_picker(draw, _DISPLAYS[: conditions.on_sale]), conditions.on_sale_share
    return lambda: on_sale() if draw() < share else anything()


class VisitSimulator:
    """The shop as its visitors meet it; one visit at a time: `shop` or `crawl`, then `end`.

    The events of a visit go into the journal with the time elapsed since it began, until it is known how long it was: visits are
    simulated in the order they *end*, so the moment goods are taken off the shelf is never before what other visits were
    seen to do to it.
    """

    def __init__(self, journal: EventBuffer, shelves: Inventory, draw: Callable[[], float]) -> None:
        self._journal = journal
        self._shelves = shelves
        self._draw = draw
        self._first = 0
        self._elapsed = 0

    def shop(
        self,
        session_id: bytes,
        customer: int,
        number: bytes,
        conditions: Conditions,
        look: Callable[[], ProductTemplates],
    ) -> OpenOrder | None:
        """A shopper's visit; the order, of that number, if there is one, paid when it has a `payment_id`."""
        draw = self._draw
        self._first = len(self._journal.times)
        cart, missed = self._browse(session_id, customer_id(customer), conditions, look)
        if not (cart or missed) or draw() >= conditions.orders:
            return None
        order = self._order(session_id, customer, number, cart, conditions) if cart else None
        attempts = _attempts(conditions, draw) if draw() < conditions.pays else []
        if order:
            self._pay(order, attempts)
        if attempts and not attempts[-1][1]:
            for product_id, pieces in missed.items():
                self._shelves.lose(product_id, pieces)
        return order

    def crawl(self, session_id: bytes, look: Callable[[], ProductTemplates]) -> None:
        """A bot's visit: it looks at one product after the other, quickly."""
        self._first = len(self._journal.times)
        who = (session_id, b"bot-%02d" % int(self._draw() * CRAWLERS))
        for _ in range(30 + int(self._draw() * 60)):
            self._note(1, _VIEWED, session_id, look().viewed % who)

    def end(self, opened: int, at: int) -> None:
        """Give the visit's events their times, so that the last is `at` that time and none before the shop `opened`."""
        times, first, elapsed, self._elapsed = self._journal.times, self._first, self._elapsed, 0
        if at - elapsed >= opened:
            begun = at - elapsed
            times[first:] = [begun + each for each in times[first:]]
        else:
            pace = (at - opened) / elapsed
            times[first:] = [at - int((elapsed - each) * pace) for each in times[first:]]

    def _note(
        self, seconds: int, kind: int, key: bytes, body: bytes, facts: LedgerFields = NO_LEDGER_FIELDS
    ) -> None:
        """An event that comes up to that many seconds after the one before."""
        self._elapsed += 200 + int(self._draw() * seconds * 1000)
        self._journal.times.append(self._elapsed)
        self._journal.entries.append((kind, key, body, facts))

    def _browse(
        self, session_id: bytes, customer: bytes, conditions: Conditions, look: Callable[[], ProductTemplates]
    ) -> tuple[dict[str, int], dict[str, int]]:
        """The cart in the end, and the pieces that were wanted and not there, by product id."""
        # Most of a simulation is spent here, so this notes what it can by itself.
        draw, times, entries = self._draw, self._journal.times, self._journal.entries
        who = (session_id, customer)
        elapsed = 0
        cart: dict[str, int] = {}
        missed: dict[str, int] = {}
        for _ in range(_VIEWS_AT_MOST):
            product_id, viewed, added, removed, _ = look()
            elapsed += 200 + int(draw() * 60_000)
            times.append(elapsed)
            entries.append((_VIEWED, session_id, viewed % who, NO_LEDGER_FIELDS))
            if draw() < conditions.adds and product_id not in cart:
                pieces = QUANTITIES[int(draw() * len(QUANTITIES))]
                there = self._shelves.take(product_id, pieces)
                if there < pieces:
                    missed[product_id] = pieces - there
                self._elapsed = elapsed
                if there:
                    cart[product_id] = there
                    self._note(30, _ADDED, session_id, added % (*who, there))
                    if draw() < conditions.removes:
                        del cart[product_id]
                        self._note(60, _REMOVED, session_id, removed % (*who, there))
                elif draw() < conditions.leaves_if_sold_out:
                    break
                elapsed = self._elapsed
            if draw() >= conditions.looks_on:
                break
        self._elapsed = elapsed
        return cart, missed

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
        who = (session_id, person.customer_id, person.name, person.country)
        body = _ORDER % (order_id, *who, b"[%s]" % items, discount, gross - discount, person.address, coupon)
        name = order_id.decode()
        self._note(120, _PLACED, order_id, body, (name, None, units, None, gross))
        return OpenOrder(name, person.address.decode(), list(cart.items()), gross - discount)

    def _pay(self, order: OpenOrder, attempts: list[tuple[Method, bytes]]) -> None:
        facts = (order.order_id, None, None, None, order.amount_cents)
        order_id = order.order_id.encode()
        for attempt, (method, reason) in enumerate(attempts, 1):
            payment_id = b"pay-%s-%d" % (order_id[2:], attempt)
            words = (payment_id, order_id, method.encode(), order.amount_cents, attempt)
            if reason:
                self._note(60, _FAILED, order_id, _FAILURE % (*words, reason), facts)
            else:
                order.payment_id, order.method, order.attempt = payment_id.decode(), method, attempt
                self._note(60, _PAID, order_id, _SUCCESS % words, facts)


def _attempts(conditions: Conditions, draw: Callable[[], float]) -> list[tuple[Method, bytes]]:
    """Attempts to pay, one after the other: how, and why it failed; no reason if it did not."""
    made: list[tuple[Method, bytes]] = []
    while len(made) < ATTEMPTS:
        name = _method(conditions, draw)
        fails = conditions.methods[name].fails
        if draw() >= fails:
            return [*made, (name, b"")]
        reasons = (OUTAGE,) if fails > 0.5 else FAILURES[name]
        made.append((name, reasons[int(draw() * len(reasons))]))
        if draw() >= conditions.tries_again:
            break
    return made


def _method(conditions: Conditions, draw: Callable[[], float]) -> Method:
    """A way to pay, by its share."""
    left = draw() * sum(method.share for method in conditions.methods.values())
    for name, method in conditions.methods.items():
        left -= method.share
        if left < 0:
            return name
    return name
