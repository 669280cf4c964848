"""Events that no shop would send, but anyone may: few ids for many events, ties, several currencies, absurd sums, all times there are."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from shopnow.events import SCHEMA_VERSION, TOPIC_OF, Event, OrderItem

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
ENDS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC))
"""The first and the last moment there is."""


def events(random: Random, count: int, days: int = 40) -> list[Event]:
    """So many of all types."""
    return [_event(random, number, days) for number in range(count)]


def _event(random: Random, number: int, days: int) -> Event:
    kind = random.choice(list(TOPIC_OF))
    return kind(
        **{
            name: value
            for name, value in _fields(random, number, days).items()
            if name in kind.__struct_fields__
        }
    )


def _fields(random: Random, number: int, days: int) -> dict[str, Any]:
    def one_of(letters: str) -> str:
        return random.choice(letters)

    def amount() -> int:
        return random.choice((0, 1, 3, random.randrange(10_000), 10**12))

    def time() -> datetime:
        if random.random() < 0.02:
            return random.choice(ENDS)
        # Often at a full hour, and at midnight.
        moment = timedelta(days=random.randrange(days)) + timedelta(
            hours=random.choice((0, random.randrange(24)))
        )
        return BEGINNING + moment + timedelta(milliseconds=random.choice((0, 0, random.randrange(3_600_000))))

    def item() -> OrderItem:
        product = one_of("pqr")
        return OrderItem(
            product_id=product,
            product_name=product.upper() * random.randrange(1, 3),
            category=one_of("abc"),
            quantity=random.choice((1, 2, random.randrange(1, 50), 10**6)),
            unit_price_cents=amount(),
        )

    after = random.choice((0, 0, random.randrange(30)))
    return {
        "event_id": f"{random.getrandbits(64):016x}{number:020}",
        "event_time": time(),
        "schema_version": SCHEMA_VERSION,
        "order_id": one_of("abcdefghij"),
        "session_id": one_of("abcdefgh"),
        "customer_id": one_of("abcdefgh"),
        "payment_id": one_of("abc"),
        "delivery_id": one_of("abcdefghij"),
        "product_id": one_of("pqr"),
        "product_name": one_of("PQR"),
        "category": one_of("abc"),
        "currency": random.choice(("EUR", "EUR", "USD")),
        "country": random.choice(("FR", "DE")),
        "method": random.choice(("card", "paypal")),
        "quantity": random.randrange(1, 5),
        "unit_price_cents": amount(),
        "amount_cents": amount(),
        "discount_cents": amount(),
        "total_cents": amount(),
        "attempt": random.randrange(1, 4),
        "quantity_after": after,
        "quantity_change": random.randrange(-20, 20),
        "promised_at": time(),
        "progress": 0.5,
        "items": [item() for _ in range(random.randrange(1, 5))],
        "customer_name": "n",
        "address": "a",
        "reason": "r",
    }
