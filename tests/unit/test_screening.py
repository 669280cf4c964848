"""Records that are checked together have the result that each of them has alone."""

import json
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from shopnow import screening, validation
from shopnow.event_times import MAX_PROMISE
from shopnow.events import TOPICS, DeliveryCreated, Event, OrderPlaced, PaymentFailed
from shopnow.examples import example_json

START = datetime(2026, 1, 2, tzinfo=UTC)
TYPES: dict[str, type[Event]] = {
    "orders": OrderPlaced,
    "payments": PaymentFailed,
    "deliveries": DeliveryCreated,
}
CHANGES: dict[str, list[dict[str, Any]]] = {
    "": [
        {"event_id": "01A20ED2-7CC2-7C01-9A50-000000000001"},
        {"event_id": "01a20ed2-7cc2-4c01-9a50-000000000001"},
        {"event_id": "01a20ed2-7cc2-7c01-7a50-000000000001"},
        {"event_id": "01a20ed2-7cc2-7c01-9a50-00000000000g"},
        {"event_id": "01a20ed2/7cc2-7c01-9a50-000000000001"},
        {"event_id": "01a20ed2-7cc2-7c01-9a50-00000000000é"},
        {"event_time": "2026-01-02T23:59:59.9999999Z"},
        {"event_time": "1969-12-31T23:59:59.9999999Z"},
        {"event_time": "1970-01-01T00:00:00Z"},
        {"event_time": "2099-01-01T00:00:00Z"},
        {"event_time": "2026-01-02T03:04:05+02:00"},
        {"schema_version": 3},
        {"note": "x" * 2000},
        {"note": int("1" * 1000)},
        {"order_id": "naïve"},
        {"order_id": "nai\u0308ve"},
        {"order_id": "l’été, 東京, Москва, \u00a0"},
        {"order_id": "\u0344"},
        {"order_id": "a\x7f"},
        {"order_id": "a\x85"},
        {"order_id": 'a"b'},
        {"order_id": "a\x00"},
        {"order_id": "e\u0301\u00ea"},
    ],
    "orders": [
        {"total_cents": 1},
        {"discount_cents": 10**9, "total_cents": 0},
        {"items": [example_json(OrderPlaced)["items"][0]] * 3},
        {"customer_name": "Zoe\u0301"},
    ],
    "deliveries": [
        {"promised_at": (START + MAX_PROMISE).isoformat()},
        {"event_time": "2026-01-01T23:59:59.9999999Z", "promised_at": (START + MAX_PROMISE).isoformat()},
        {"promised_at": "1970-01-01T00:00:00Z"},
        {"promised_at": "2099-01-01T00:00:00Z"},
    ],
    "payments": [{"currency": "eur"}, {"reason": "two\r\nlines"}],
}
ESCAPED = [
    *(
        rf"\u{code:04x}"
        for code in (0x00, 0x1F, 0x22, 0x39, 0x5C, 0x7F, 0x80, 0x9F, 0xA0, 0xE9, 0x3A9, 0x301)
    ),
    *(
        r"\u00C9",
        r"\/",
        r"\"",
        r"\\",
        r"\n",
        r"\b",
        r"\\u00e9",
        r"\u00ea\u0301",
        "\\u00ea\u0301",
        r"\ud83d\ude00",
    ),
]
BROKEN = [None, b"", b"\xff", b"{", b"[" * 501, b"[" * 1000, b"\xef\xbb\xbf{}", b'{"a":"\xe9"}']


def value(topic: str, number: int, **changes: Any) -> bytes:
    plain = example_json(TYPES[topic]) | {
        "event_id": f"01a20ed2-7cc2-7c01-9a50-{number:012x}",
        "event_time": (START + timedelta(seconds=number)).isoformat(),
    }
    return json.dumps(plain | changes, ensure_ascii=False).encode()


def assert_like_alone(topic: str, values: list[bytes | None]) -> None:
    decode = TOPICS[topic].decoder().decode
    stamp = int(time.time() * 1000) - 3_600_000
    # A slice: its buffers begin before the first value.
    column = pa.array([b"before", *values], pa.binary())[1:]
    together = validation.check_records(decode, values, column, timestamps=[stamp] * len(values))
    alone = [validation.check_record(decode, value, timestamp=stamp) for value in values]
    none = [None] * len(values)
    assert (together.problems or none) == [record.problem for record in alone]
    assert (together.payloads or none) == [record.payload for record in alone]
    times = [record.event.event_time for record in alone if record.event is not None]
    assert (together.first_event, together.last_event) == (min(times, default=None), max(times, default=None))


@pytest.mark.parametrize("topic", TYPES)
def test_any_change_is_found_among_plain_records(topic):
    plain = [value(topic, number) for number in range(5)]
    for changes in CHANGES[""] + CHANGES[topic]:
        assert_like_alone(topic, [*plain[:2], value(topic, 9, **changes), *plain[2:]])
        assert_like_alone(topic, [value(topic, 9, **changes)])
    for broken in BROKEN:
        assert_like_alone(topic, [*plain[:2], broken, *plain[2:]])
    assert_like_alone(topic, BROKEN)


@pytest.mark.parametrize("escaped", ESCAPED)
def test_escapes_are_found_among_plain_records(escaped):
    plain = [value("payments", number) for number in range(3)]
    for field in (b'"reason":"', b'"order_id":"', b'"event_id":"', b'"event_time":"'):
        text = value("payments", 9).replace(b'": "', b'":"')
        assert_like_alone("payments", [*plain, text.replace(field, field + escaped.encode()), *plain])


@pytest.mark.parametrize("topic", TYPES)
def test_many_records_have_the_results_of_each(topic):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    generator = random.Random(seed)
    values: list[bytes | None] = [value(topic, number) for number in range(1500)]
    for _ in range(60):
        changes = generator.choice(CHANGES[""] + CHANGES[topic])
        position = generator.randrange(len(values))
        values[position] = generator.choice([*BROKEN, *[value(topic, position, **changes)] * 20])
    assert_like_alone(topic, values)


@pytest.mark.parametrize(
    "changes",
    [{}, {"order_id": "naïve"}, {"order_id": "l’été, 東京, Москва"}, {"note": "x" * 2000}],
    ids=["ascii", "accents", "other scripts", "long"],
)
def test_ordinary_records_are_not_checked_one_by_one(changes, monkeypatch):
    monkeypatch.setattr(validation, "_check", None)
    values = [value("payments", number, **changes) for number in range(screening.EVENTS_AT_ONCE * 2)]
    if max(str(changes)) < "\u0100":
        values += [json.dumps(json.loads(text) | {"address": '"é"'}).encode() for text in values]
    decode = TOPICS["payments"].decoder().decode
    assert validation.check_records(decode, values, pa.array(values, pa.binary())).problems is None
