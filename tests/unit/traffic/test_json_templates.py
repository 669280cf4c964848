"""Byte templates give the same JSON as encoding the event structs."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import shop_events
from shopnow.events import TOPIC_OF, Event, OrderItem, encode, key
from shopnow.ids import uuid7
from shopnow.traffic.event_buffer import to_datetime
from shopnow.traffic.json_templates import escape, tails, template
from shopnow.traffic.run_config import Faults

WORDS = st.integers(0, 2**64 - 1)
TIMES = st.integers(0, 4_102_444_800_000)
TEXT = '1 % of "é", \\ and \n \u2028 \x7f'


@given(st.lists(st.tuples(TIMES, WORDS, WORDS, st.sampled_from([1, 2])), max_size=5))
def test_tails_hold_the_time_the_version_and_a_uuid7(events: list[tuple[int, int, int, int]]) -> None:
    columns = np.array(events, dtype=np.uint64).reshape(-1, 4)
    result = tails(columns[:, 0].astype(np.int64), columns[:, 1:3], columns[:, 3])
    assert len(result.texts) == len(events)
    for index, (at, first, second, version) in enumerate(events):
        id_ = uuid7(at, f"{first & 0xFFF:03x}{second >> 60 & 3:x}{second & 2**60 - 1:015x}")
        time = (
            to_datetime(at)
            .isoformat(timespec="milliseconds" if at % 1000 else "seconds")
            .replace("+00:00", "Z")
        )
        assert (
            result.texts[index].decode()
            == f'"event_id":"{id_}","event_time":"{time}","schema_version":{version}}}'
        )
        assert result.ids[36 * index : 36 * index + 36].decode() == id_


@pytest.mark.parametrize("kind", TOPIC_OF)
def test_a_template_with_constants_or_arguments_gives_the_encoded_event(kind: type[Event]) -> None:
    values = {field.name: sample_value(field) for field in msgspec.structs.fields(kind)}
    event = kind(**values)
    common = {name: values.pop(name) for name in ("event_id", "event_time", "schema_version")}
    tail = msgspec.json.encode(common)[1:]
    arguments = [
        b'"coupon":"%s",' % escape(TEXT) if name == "coupon" else to_argument(value)
        for name, value in values.items()
    ]
    for body in (template(kind, **values) % (), template(kind) % tuple(arguments)):
        assert body + tail == encode(event)


def sample_value(field: Any) -> Any:
    """Return a value for the field, one that needs escaping where possible."""
    if field.name in {"event_time", "promised_at"}:
        return datetime(2026, 1, 1, tzinfo=UTC)
    fixed = {
        "event_id": "0" * 36,
        "schema_version": 2,
        "items": [OrderItem(**item) for item in ITEMS],
        "currency": "EUR",
        "country": "FR",
    }
    fixed |= {"method": "card", "progress": 0.5}
    numbers = ("_cents", "quantity", "quantity_change", "quantity_after", "attempt")
    return fixed.get(field.name, 7 if field.name.endswith(numbers) else TEXT)


ITEMS = [{"product_id": TEXT, "product_name": TEXT, "category": TEXT, "quantity": 1, "unit_price_cents": 5}]


def to_argument(value: Any) -> bytes | int:
    return value if isinstance(value, int) else msgspec.json.encode(value).strip(b'"')


def test_sent_records_equal_the_encoded_events() -> None:
    run = shop_events.make_run(sessions=1500, faults=Faults(schema_v1=0.5, clock_skew_seconds=7))
    chunks = shop_events.chunks(run)
    sent = [value for chunk in chunks for value in chunk.batch.values]
    keys = [record_key for chunk in chunks for record_key in chunk.batch.keys]
    for event, value, record_key in zip(shop_events.decoded(chunks), sent, keys, strict=True):
        assert encode(event) == value
        assert key(event) == record_key
