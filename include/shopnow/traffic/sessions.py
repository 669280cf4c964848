"""One visit to the shop: view → cart → order → pay, with a way out at every step.

What happens to an order after the shopper has left is in `shopnow.traffic.orders`.
"""

from collections.abc import Callable
from typing import NamedTuple

from shopnow.events import CartItemAdded, CartItemRemoved, Method, OrderPlaced, PaymentFailed, PaymentSucceeded, ProductViewed
from shopnow.traffic.catalogue import CATALOGUE, CURRENCY, PRODUCTS, Product, picker
from shopnow.traffic.journal import KIND_OF, NO_FACTS, Facts, Journal
from shopnow.traffic.payloads import escape, template
from shopnow.traffic.scenarios import Conditions
from shopnow.traffic.shoppers import customer_id, shopper
from shopnow.traffic.state import OpenOrder
from shopnow.traffic.stock import Shelves

ATTEMPTS = 3
"""How often a payment is tried at most."""
QUANTITIES = (1, 1, 1, 1, 1, 1, 2, 2, 3)
FAILURES: dict[Method, tuple[str, ...]] = {
    "card": ("card declined", "insufficient funds", "authentication timed out"),
    "debit": ("insufficient funds", "authentication timed out"),
    "paypal": ("account limited", "authentication timed out"),
    "transfer": ("transfer not received", "wrong amount received"),
}
OUTAGE = "provider unavailable"
"""Why payments fail by a method that more than half of them fail by."""
CRAWLERS = 12
"""How many bots there are: each comes again and again."""

_VIEWS_AT_MOST = 20

_VIEWED, _ADDED, _REMOVED, _PLACED, _PAID, _FAILED = (
    KIND_OF[kind] for kind in (ProductViewed, CartItemAdded, CartItemRemoved, OrderPlaced, PaymentSucceeded, PaymentFailed)
)


class _Bodies(NamedTuple):
    """Of a product: its part in the bodies of events, filled in."""

    viewed: str
    added: str
    removed: str
    item: str


def _bodies(product: Product) -> _Bodies:
    what = {"product_id": product.product_id, "unit_price_cents": product.price_cents, "currency": CURRENCY}
    name, category = (escape(text).replace("%", "%%") for text in (product.name, product.category))
    return _Bodies(
        template(ProductViewed, **what, category=product.category),
        template(CartItemAdded, **what),
        template(CartItemRemoved, product_id=product.product_id),
        f'{{"product_id":"{product.product_id}","product_name":"{name}","category":"{category}",'
        f'"quantity":%s,"unit_price_cents":{product.price_cents}}}',
    )


_OF = {product.product_id: _bodies(product) for product in CATALOGUE}
_ORDER, _SUCCESS, _FAILURE = (template(kind, currency=CURRENCY) for kind in (OrderPlaced, PaymentSucceeded, PaymentFailed))


def looking(draw: Callable[[], float], conditions: Conditions) -> Callable[[], Product]:
    """A function that gives the next product someone looks at."""
    anything = picker(draw)
    if not conditions.on_sale or not conditions.on_sale_share:
        return anything
    on_sale, share = picker(draw, conditions.on_sale), conditions.on_sale_share
    return lambda: on_sale() if draw() < share else anything()


class Visits:
    """The shop as its visitors meet it; one visit at a time: `shop` or `crawl`, then `end`.

    The events of a visit go into the journal with the time elapsed since it began, until it is known how long it was: visits are
    simulated in the order they *end*, so the moment goods are taken off the shelf is never before what other visits were
    seen to do to it.
    """

    def __init__(self, journal: Journal, shelves: Shelves, draw: Callable[[], float]) -> None:
        self._journal = journal
        self._shelves = shelves
        self._draw = draw
        self._first = 0
        self._elapsed = 0

    def shop(self, session_id: str, customer: int, number: str, conditions: Conditions, look: Callable[[], Product]) -> OpenOrder | None:
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

    def crawl(self, session_id: str, look: Callable[[], Product]) -> None:
        """A bot's visit: it looks at one product after the other, quickly."""
        self._first = len(self._journal.times)
        who = (session_id, f"bot-{int(self._draw() * CRAWLERS):02d}")
        for _ in range(30 + int(self._draw() * 60)):
            self._note(1, _VIEWED, session_id, _OF[look().product_id].viewed % who)

    def end(self, opened: int, at: int) -> None:
        """Give the visit's events their times, so that the last is `at` that time and none before the shop `opened`."""
        times, first, elapsed, self._elapsed = self._journal.times, self._first, self._elapsed, 0
        if at - elapsed >= opened:
            begun = at - elapsed
            times[first:] = [begun + each for each in times[first:]]
        else:
            pace = (at - opened) / elapsed
            times[first:] = [at - int((elapsed - each) * pace) for each in times[first:]]

    def _note(self, seconds: int, kind: int, key: str, body: str, facts: Facts = NO_FACTS) -> None:
        """An event that comes up to that many seconds after the one before."""
        self._elapsed += 200 + int(self._draw() * seconds * 1000)
        self._journal.add(self._elapsed, kind, key, body, facts)

    def _browse(
        self, session_id: str, customer: str, conditions: Conditions, look: Callable[[], Product]
    ) -> tuple[dict[str, int], dict[str, int]]:
        """The cart in the end, and the pieces that were wanted and not there, by product id."""
        # Most of a simulation is spent here, so this notes what it can by itself.
        draw, times, entries = self._draw, self._journal.times, self._journal.entries
        who = (session_id, customer)
        elapsed = 0
        cart: dict[str, int] = {}
        missed: dict[str, int] = {}
        for _ in range(_VIEWS_AT_MOST):
            product = look()
            product_id = product.product_id
            bodies = _OF[product_id]
            elapsed += 200 + int(draw() * 60_000)
            times.append(elapsed)
            entries.append((_VIEWED, session_id, bodies.viewed % who, NO_FACTS))
            if draw() < conditions.adds and product_id not in cart:
                pieces = QUANTITIES[int(draw() * len(QUANTITIES))]
                there = self._shelves.take(product_id, pieces)
                if there < pieces:
                    missed[product_id] = pieces - there
                self._elapsed = elapsed
                if there:
                    cart[product_id] = there
                    self._note(30, _ADDED, session_id, bodies.added % (*who, there))
                    if draw() < conditions.removes:
                        del cart[product_id]
                        self._note(60, _REMOVED, session_id, bodies.removed % (*who, there))
                elif draw() < conditions.leaves_if_sold_out:
                    break
                elapsed = self._elapsed
            if draw() >= conditions.looks_on:
                break
        self._elapsed = elapsed
        return cart, missed

    def _order(self, session_id: str, customer: int, number: str, cart: dict[str, int], conditions: Conditions) -> OpenOrder:
        person = shopper(customer)
        order_id = f"o-{number}"
        units = sum(cart.values())
        gross = sum(PRODUCTS[product_id].price_cents * quantity for product_id, quantity in cart.items())
        discount = gross * conditions.discount_percent // 100 if self._draw() < conditions.discounted else 0
        coupon = f'"coupon":"{escape(conditions.coupon)}",' if discount and number < "8" else ""
        items = ",".join([_OF[product_id].item % quantity for product_id, quantity in cart.items()])
        who = (session_id, person.customer_id, person.name, person.country)
        body = _ORDER % (order_id, *who, f"[{items}]", discount, gross - discount, person.address, coupon)
        self._note(120, _PLACED, order_id, body, (order_id, None, units, None, gross))
        return OpenOrder(order_id, person.address, list(cart.items()), gross - discount)

    def _pay(self, order: OpenOrder, attempts: list[tuple[Method, str]]) -> None:
        facts = (order.order_id, None, None, None, order.amount_cents)
        for attempt, (method, reason) in enumerate(attempts, 1):
            payment_id = f"pay-{order.order_id[2:]}-{attempt}"
            words = (payment_id, order.order_id, method, order.amount_cents, attempt)
            if reason:
                self._note(60, _FAILED, order.order_id, _FAILURE % (*words, reason), facts)
            else:
                order.payment_id, order.method, order.attempt = payment_id, method, attempt
                self._note(60, _PAID, order.order_id, _SUCCESS % words, facts)


def _attempts(conditions: Conditions, draw: Callable[[], float]) -> list[tuple[Method, str]]:
    """Attempts to pay, one after the other: how, and why it failed; no reason if it did not."""
    made: list[tuple[Method, str]] = []
    while len(made) < ATTEMPTS:
        name = _method(conditions, draw)
        fails = conditions.methods[name].fails
        if draw() >= fails:
            return [*made, (name, "")]
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
