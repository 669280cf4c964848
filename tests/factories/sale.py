"""A sale whose figures are known."""

from collections.abc import Iterator
from datetime import datetime
from itertools import count

from shopnow.events import SCHEMA_VERSION, Event, OrderItem, OrderPlaced, PaymentSucceeded
from shopnow.traffic.event_buffer import uuid7

WORTH = {
    "orders": 1,
    "units": 2,
    "gmv_cents": 100,
    "payments_succeeded": 1,
    "paid_cents": 100,
    "net_revenue_cents": 100,
}
"""What a sale adds to figures."""

numbers = count()


def sale(time: datetime) -> Iterator[Event]:
    """An order of two units at 50 cents, paid."""
    number = next(numbers)

    def common() -> dict:
        id_ = uuid7(int(time.timestamp() * 1000), f"{next(numbers):019x}")
        return {
            "event_id": id_,
            "event_time": time,
            "schema_version": SCHEMA_VERSION,
            "order_id": f"o{number}",
        }

    item = OrderItem(product_id="p", product_name="P", category="c", quantity=2, unit_price_cents=50)
    who = {"session_id": "s", "customer_id": "c", "customer_name": "n", "country": "FR", "address": "a"}
    yield OrderPlaced(**common(), **who, items=[item], discount_cents=0, total_cents=100, currency="EUR")
    yield PaymentSucceeded(
        **common(), payment_id=f"p{number}", method="card", amount_cents=100, currency="EUR", attempt=1
    )
