"""What is wrong with the values of an event that has the right fields and types."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shopnow import event_times, validation
from shopnow.events import (
    TOPIC_OF,
    DeliveryCreated,
    Event,
    OrderCancelled,
    OrderPlaced,
    PaymentSucceeded,
    ProductViewed,
)
from shopnow.examples import example_json
from shopnow.validation import CheckedRecord

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
ITEM = example_json(OrderPlaced)["items"][0]
GOODS = ITEM["quantity"] * ITEM["unit_price_cents"]


def check(type_: type[Event], received: datetime = NOW, **changes: Any) -> CheckedRecord:
    """Check the example of a type with these changes."""
    value = json.dumps(example_json(type_) | changes, ensure_ascii=False).encode()
    decode = TOPIC_OF[type_].decoder().decode
    return validation.check_record(decode, value, timestamp=int(received.timestamp() * 1000))


@pytest.mark.parametrize(
    ("type_", "changes", "problem"),
    [
        (PaymentSucceeded, {"currency": "eur"}, "invalid value: currency (expected an ISO 4217 code"),
        (PaymentSucceeded, {"currency": "12$"}, "invalid value: currency (expected an ISO 4217 code"),
        (PaymentSucceeded, {"currency": "XXX"}, "invalid value: currency (expected an ISO 4217 code"),
        (OrderPlaced, {"country": "UK"}, "invalid value: country (expected an ISO 3166-1 code"),
        (OrderPlaced, {"country": "fr"}, "invalid value: country (expected an ISO 3166-1 code"),
        (PaymentSucceeded, {"event_id": "0" * 36}, "invalid value: event_id (expected a UUID of version 7"),
        (
            PaymentSucceeded,
            {"event_id": "f47ac10b-58cc-4372-a567-0e02b2c3d479"},
            "invalid value: event_id (expected a UUID of version 7",
        ),
        (
            OrderPlaced,
            {"total_cents": 1},
            f"invalid value: total_cents (expected {GOODS - 598}, which is Σ quantity × unit price {GOODS} − "
            "discount 598, has 1)",
        ),
        (
            OrderPlaced,
            {"discount_cents": GOODS + 1, "total_cents": 0},
            f"invalid value: discount_cents (at most {GOODS}, the Σ quantity × unit price of the items, "
            f"has {GOODS + 1})",
        ),
        (
            OrderPlaced,
            {"items": [ITEM | {"quantity": 10**6, "unit_price_cents": 10**12}] * 10, "total_cents": 100},
            f"invalid value: total_cents (expected {10**19 - 598}, which is",
        ),
        (OrderPlaced, {"items": [ITEM] * 1001}, "invalid value: items (at most 1000, has 1001)"),
        (
            OrderPlaced,
            {"items": [ITEM, ITEM | {"quantity": 0}]},
            "invalid value: items[].quantity (at least 1, has 0)",
        ),
        (PaymentSucceeded, {"order_id": "x" * 65}, "invalid value: order_id (at most 64 characters, has 65)"),
        (
            OrderPlaced,
            {"customer_name": "A\x00B"},
            "invalid value: customer_name (control character U+0000 at character 2)",
        ),
        (ProductViewed, {"product_id": "a\nb"}, "invalid value: product_id (control character U+000A at"),
        (ProductViewed, {"product_id": "a\x7f"}, "invalid value: product_id (control character U+007F at"),
        (ProductViewed, {"category": "a\x85"}, "invalid value: category (control character U+0085 at"),
        (
            OrderPlaced,
            {"items": [ITEM | {"product_name": "\x1b[31m"}]},
            "invalid value: items[].product_name (control character U+001B",
        ),
        (OrderCancelled, {"reason": "a\x00"}, "invalid value: reason (control character U+0000 at"),
        (
            ProductViewed,
            {"event_time": "2099-01-01T00:00:00Z"},
            "out of range: event_time (2099-01-01T00:00:00.000Z; at most 2026-11-28T12:05:00.000Z, which is "
            "300 s after the record's timestamp)",
        ),
        (
            ProductViewed,
            {"event_time": "0001-01-01T00:00:00Z"},
            "out of range: event_time (0001-01-01T00:00:00.000Z; at least 1970-01-01T00:00:00.000Z)",
        ),
        (
            ProductViewed,
            {"event_time": "1969-12-31T23:59:59.9999999Z"},
            "out of range: event_time (1969-12-31T23:59:59.999Z; at least 1970-01-01T00:00:00.000Z)",
        ),
        (
            DeliveryCreated,
            {"promised_at": "0001-01-01T00:00:00+01:00"},
            "out of range: promised_at (not between the years 1 and 9999 in UTC)",
        ),
        (DeliveryCreated, {"promised_at": "1969-12-31T00:00:00Z"}, "out of range: promised_at (1969-12-31"),
        (
            DeliveryCreated,
            {"promised_at": "2099-12-31T00:00:00Z"},
            "out of range: promised_at (2099-12-31T00:00:00.000Z; at most 3653 days after event_time",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", "case"),
)
def test_the_problem_names_field_value_and_what_is_right(type_, changes, problem):
    assert (check(type_, **changes).problem or "").startswith(problem)


@pytest.mark.parametrize(
    ("type_", "changes"),
    [
        (PaymentSucceeded, {"currency": "DEM"}),
        (OrderPlaced, {"country": "YU"}),
        (OrderPlaced, {"customer_name": "constructor"}),
        (OrderPlaced, {"address": "12 rue des Lilas\r\n\t69003 Lyon"}),
        (OrderPlaced, {"items": [ITEM] * 161, "discount_cents": 0, "total_cents": 161 * GOODS}),
        (OrderPlaced, {"discount_cents": GOODS, "total_cents": 0}),
        (ProductViewed, {"event_time": "1970-01-01T00:00:00Z"}),
        (ProductViewed, {"event_time": "2026-11-28T12:05:00.000Z"}),
        (DeliveryCreated, {"promised_at": "2030-01-01T00:00:00Z"}),
    ],
)
def test_what_real_shops_send_is_valid(type_, changes):
    checked = check(type_, **changes)
    assert checked.problem is None
    assert checked.payload is None


def test_an_event_of_the_future_is_valid_once_its_time_has_come():
    later = {"event_time": (NOW + timedelta(hours=2)).isoformat()}
    assert check(ProductViewed, **later).problem is not None
    assert check(ProductViewed, NOW + timedelta(hours=2), **later).problem is None


def test_a_timestamp_ahead_of_the_clock_does_not_admit_an_event_of_the_future():
    far = datetime(2099, 1, 1, tzinfo=UTC)
    assert check(ProductViewed, far, event_time=far.isoformat()).problem is not None


def test_the_settings_decide_the_limits(monkeypatch):
    monkeypatch.setenv("SHOPNOW_EVENT_TIME_SKEW_SECONDS", "7200")
    monkeypatch.setenv("SHOPNOW_EARLIEST_EVENT_DATE", "2000-01-01")
    event_times.configured_limits.cache_clear()
    try:
        assert check(ProductViewed, event_time=(NOW + timedelta(hours=2)).isoformat()).problem is None
        assert check(ProductViewed, event_time="1999-12-31T23:59:59Z").problem is not None
    finally:
        event_times.configured_limits.cache_clear()


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2026-11-27T23:59:59.9999999Z", "2026-11-27T23:59:59.999+00:00"),
        ("2026-11-28T10:00:00.1234567Z", "2026-11-28T10:00:00.123+00:00"),
        ("2026-11-28T10:00:00.123456789Z", "2026-11-28T10:00:00.123+00:00"),
        ("2026-11-28T10:00:00.1239999999Z", "2026-11-28T10:00:00.123+00:00"),
        ("2026-11-28t10:00:00.5z", "2026-11-28T10:00:00.500+00:00"),
        ("2026-11-28T01:00:00+02:00", "2026-11-27T23:00:00.000+00:00"),
    ],
)
def test_times_are_truncated_to_milliseconds_in_utc(text, canonical):
    event = check(ProductViewed, event_time=text).event
    assert event is not None
    assert event.event_time.isoformat(timespec="milliseconds") == canonical


def test_canonical_values_replace_other_spellings():
    original = example_json(OrderPlaced)
    checked = check(OrderPlaced, event_id=original["event_id"].upper(), customer_name="Zoe\u0301")
    assert isinstance(checked.event, OrderPlaced)
    assert (checked.event.event_id, checked.event.customer_name) == (original["event_id"], "Zoé")
    assert checked.payload is not None
    assert json.loads(checked.payload) == original | {"customer_name": "Zoé"}
