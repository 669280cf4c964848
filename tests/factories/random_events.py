"""Valid events that no shop would send: few ids, equal times, several currencies, extreme sums and times."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from shopnow.events import SCHEMA_VERSION, TOPIC_OF, Event, OrderItem

START = datetime(2026, 1, 1, tzinfo=UTC)
ENDS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC))
"""The first and the last valid event time."""


def events(random: Random, count: int, days: int = 40) -> list[Event]:
    """Return `count` events of random types and fields, most of them within `days` days."""
    return [_event(random, number, days) for number in range(count)]


def _event(random: Random, number: int, days: int) -> Event:
    type_ = random.choice(list(TOPIC_OF))
    fields = _fields(random, number, days)
    return type_(**{name: value for name, value in fields.items() if name in type_.__struct_fields__})


def _fields(random: Random, number: int, days: int) -> dict[str, Any]:
    def letter(letters: str) -> str:
        return random.choice(letters)

    def amount() -> int:
        return random.choice((0, 1, 3, random.randrange(10_000), 10**12))

    def time() -> datetime:
        if random.random() < 0.02:
            return random.choice(ENDS)
        # Often at a full hour or at midnight, so that times coincide.
        offset = timedelta(days=random.randrange(days)) + timedelta(
            hours=random.choice((0, random.randrange(24)))
        )
        return START + offset + timedelta(milliseconds=random.choice((0, 0, random.randrange(3_600_000))))

    def item() -> OrderItem:
        product = letter("pqr")
        return OrderItem(
            product_id=product,
            product_name=product.upper() * random.randrange(1, 3),
            category=letter("abc"),
            quantity=random.choice((1, 2, random.randrange(1, 50), 10**6)),
            unit_price_cents=amount(),
        )

    after = random.choice((0, 0, random.randrange(30)))
    return {
        "event_id": f"{random.getrandbits(64):016x}{number:020}",
        "event_time": time(),
        "schema_version": SCHEMA_VERSION,
        "order_id": letter("abcdefghij"),
        "session_id": letter("abcdefgh"),
        "customer_id": letter("abcdefgh"),
        "payment_id": letter("abc"),
        "delivery_id": letter("abcdefghij"),
        "product_id": letter("pqr"),
        "product_name": letter("PQR"),
        "category": letter("abc"),
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
