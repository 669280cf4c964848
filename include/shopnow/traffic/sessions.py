"""One visit to the shop: view → cart → order → pay, with a way out at every step.

What happens to an order after the shopper has left is in `shopnow.traffic.orders`.
"""

from random import Random
from typing import Any

from shopnow.events import (
    CartItemAdded,
    CartItemRemoved,
    Event,
    OrderItem,
    OrderPlaced,
    PaymentFailed,
    PaymentSucceeded,
    ProductViewed,
    StockSold,
)
from shopnow.traffic.catalogue import CURRENCY, PRODUCTS, pick
from shopnow.traffic.journal import Journal
from shopnow.traffic.shoppers import customer_id, shopper
from shopnow.traffic.state import OpenOrder, Shop

RETURNS = 0.4
"""Share of sessions by someone who was here before."""
LOOKS_ON = 0.75
"""After each product, the chance to look at another one."""
ADDS = 0.25
REMOVES = 0.12
ORDERS = 0.6
"""Share of filled carts that become an order."""
PAYS = 0.95
RETRIES = 0.75
"""Share of failed payments that are tried a second time, the last."""
DISCOUNTED = 0.1
DISCOUNT_PERCENT = 10
COUPON = "WELCOME10"
"""Half of the discounts are given for it."""
QUANTITIES = (1, 1, 1, 1, 1, 1, 2, 2, 3)
METHODS = ("card", "card", "card", "card", "card", "debit", "debit", "paypal", "paypal", "transfer")
FAILURES = ("card declined", "insufficient funds", "authentication timed out", "provider unavailable")

_VIEWS_AT_MOST = 20


class Visit:
    """A visit in the making; `run` lives it through.

    The steps are drafted with the time elapsed since the shopper came and written to the journal at the end, when it is
    known how long the visit was: shoppers are simulated in the order they *leave*, so the moment goods are taken off
    the shelf is never before what other sessions were seen to do to it.
    """

    def __init__(self, shop: Shop, rng: Random) -> None:
        self.shop = shop
        self.rng = rng
        self.customer = int(rng.random() * shop.customers) if shop.customers and rng.random() < RETURNS else shop.customers
        shop.customers = max(shop.customers, self.customer + 1)
        self.customer_id = customer_id(self.customer)
        self.session_id = f"s-{rng.getrandbits(64):016x}"
        self.cart: dict[str, int] = {}
        self.elapsed = 0
        self.drafts: list[tuple[int, type[Event], dict[str, Any]]] = []

    def run(self, failure_rate: float) -> OpenOrder | None:
        """Go through the steps; the order if there is one, paid when it has a `payment_id`."""
        self._browse()
        if not self.cart or self.rng.random() >= ORDERS:
            return None
        order = self._order()
        if self.rng.random() < PAYS:
            self._pay(order, failure_rate)
        return order

    def write(self, journal: Journal, opens: int, leaves: int) -> None:
        """Put the drafts into the journal so that the last is at `leaves` and none before `opens`."""
        pace = min(1.0, (leaves - opens) / self.elapsed)
        for elapsed, kind, fields in self.drafts:
            journal.add(kind, leaves - int((self.elapsed - elapsed) * pace), **fields)

    def _note(self, kind: type[Event], seconds: int, **fields: Any) -> None:
        """Draft an event that comes up to that many seconds after the one before."""
        if seconds:
            self.elapsed += 1000 + int(self.rng.random() * seconds * 1000)
        self.drafts.append((self.elapsed, kind, fields))

    def _browse(self) -> None:
        rng = self.rng
        who = {"session_id": self.session_id, "customer_id": self.customer_id}
        for _ in range(_VIEWS_AT_MOST):
            product = pick(rng)
            price = {"unit_price_cents": product.price_cents, "currency": CURRENCY}
            self._note(ProductViewed, 60, **who, product_id=product.product_id, category=product.category, **price)
            if rng.random() < ADDS:
                wanted = QUANTITIES[int(rng.random() * len(QUANTITIES))]
                quantity = self._take(product.product_id, wanted)
                if quantity:
                    self._note(CartItemAdded, 30, **who, product_id=product.product_id, quantity=quantity, **price)
                    if rng.random() < REMOVES:
                        del self.cart[product.product_id]
                        self._note(CartItemRemoved, 60, **who, product_id=product.product_id, quantity=quantity)
            if rng.random() >= LOOKS_ON:
                break

    def _take(self, product_id: str, wanted: int) -> int:
        """Put up to that many into the cart, as far as they are on the shelf; a product is put in once. How many it was."""
        shelf = self.shop.shelves[product_id]
        shelf.wanted += wanted
        quantity = min(wanted, shelf.quantity)
        if not quantity or product_id in self.cart:
            return 0
        self.cart[product_id] = quantity
        return quantity

    def _order(self) -> OpenOrder:
        rng = self.rng
        person = shopper(self.customer)
        number = f"{rng.getrandbits(64):016x}"
        items = [
            OrderItem(
                product_id=product_id,
                product_name=PRODUCTS[product_id].name,
                category=PRODUCTS[product_id].category,
                quantity=quantity,
                unit_price_cents=PRODUCTS[product_id].price_cents,
            )
            for product_id, quantity in self.cart.items()
        ]
        gross = sum(item.quantity * item.unit_price_cents for item in items)
        discount = gross * DISCOUNT_PERCENT // 100 if rng.random() < DISCOUNTED else 0
        order = OpenOrder(f"o-{number}", person.address, list(self.cart.items()), gross - discount)
        self._note(
            OrderPlaced,
            120,
            order_id=order.order_id,
            session_id=self.session_id,
            customer_id=self.customer_id,
            customer_name=person.name,
            country=person.country,
            items=items,
            discount_cents=discount,
            total_cents=order.amount_cents,
            currency=CURRENCY,
            address=person.address,
            coupon=COUPON if discount and number < "8" else None,
        )
        return order

    def _pay(self, order: OpenOrder, failure_rate: float) -> None:
        rng = self.rng
        for attempt in (1, 2):
            order.method = METHODS[int(rng.random() * len(METHODS))]  # type: ignore[assignment]
            payment: dict[str, Any] = {
                "payment_id": f"pay-{order.order_id[2:]}-{attempt}",
                "order_id": order.order_id,
                "method": order.method,
                "amount_cents": order.amount_cents,
                "currency": CURRENCY,
                "attempt": attempt,
            }
            if rng.random() >= failure_rate:
                order.payment_id, order.attempt = payment["payment_id"], attempt
                self._note(PaymentSucceeded, 60, **payment)
                self._sell(order)
                return
            self._note(PaymentFailed, 60, **payment, reason=FAILURES[int(rng.random() * len(FAILURES))])
            if rng.random() >= RETRIES:
                return

    def _sell(self, order: OpenOrder) -> None:
        for product_id, quantity in order.items:
            shelf = self.shop.shelves[product_id]
            shelf.quantity -= quantity
            self._note(
                StockSold,
                0,
                product_id=product_id,
                product_name=PRODUCTS[product_id].name,
                quantity_change=-quantity,
                quantity_after=shelf.quantity,
                order_id=order.order_id,
            )
