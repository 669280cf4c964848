"""One example event of each type, all about the same order, for the docs and the tests."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from shopnow.events import SCHEMA_VERSION, TOPIC_OF, Event, encode

_START = datetime(2026, 11, 24, 18, 30, 5, 250_000, tzinfo=UTC)

_VALUES: dict[str, Any] = {
    "address": "12 rue des Lilas, 69003 Lyon",
    "amount_cents": 5_382,
    "attempt": 1,
    "category": "sports",
    "country": "FR",
    "coupon": "WELCOME10",
    "currency": "EUR",
    "customer_id": "c-4821",
    "customer_name": "Camille Roux",
    "delivery_id": "d-9d1c4e7b",
    "discount_cents": 598,
    "items": [
        {
            "product_id": "p-009",
            "product_name": "Yoga Mat",
            "category": "sports",
            "quantity": 2,
            "unit_price_cents": 2_990,
        }
    ],
    "method": "card",
    "order_id": "o-9d1c4e7b",
    "payment_id": "pay-9d1c4e7b-1",
    "product_id": "p-009",
    "product_name": "Yoga Mat",
    "promised_at": _START + timedelta(days=1),
    "quantity": 2,
    "session_id": "s-5b0e77a1",
    "total_cents": 5_382,
    "unit_price_cents": 2_990,
}
_TYPE_VALUES: dict[str, dict[str, Any]] = {
    "order_cancelled": {"reason": "customer changed their mind"},
    "payment_failed": {"reason": "card declined"},
    "payment_refunded": {"reason": "goods returned damaged"},
    "delivery_created": {"progress": 0.0},
    "delivery_in_transit": {"progress": 0.5},
    "delivery_delivered": {"progress": 1.0},
    "stock_sold": {"quantity_change": -2, "quantity_after": 58},
    "stock_restocked": {"quantity_change": 60, "quantity_after": 118},
    "stock_adjusted": {"quantity_change": 2, "quantity_after": 120, "reason": "order cancelled"},
}


def example(type_: type[Event]) -> Event:
    """Return the example of an event type.

    Raises:
        KeyError: `_VALUES` has no value for one of its fields.
    """
    index = list(TOPIC_OF).index(type_)
    values = {
        **_VALUES,
        **_TYPE_VALUES.get(str(type_.__struct_config__.tag), {}),
        "event_id": f"01a20ed2-7cc2-7c01-9a50-0000000000{index:02x}",
        "event_time": _START + timedelta(minutes=index),
        "schema_version": SCHEMA_VERSION,
    }
    return msgspec.convert({field: values[field] for field in type_.__struct_fields__}, type_)


def example_json(type_: type[Event]) -> dict[str, Any]:
    """Return the example as decoded JSON."""
    return json.loads(encode(example(type_)))
