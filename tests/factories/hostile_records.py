"""Records of the storm: what careless and malicious producers send, mixed with valid events.

Every choice follows from a generator of random numbers. Each record states what must become of it: an event,
a quarantined record, or either; records of the last kind come from `factories.record_values`.
"""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple

from factories import record_values
from factories.hostile_damages import DAMAGES, new_event, new_id, to_json
from shopnow.events import MAX_ITEMS, TOPIC_OF, Event, OrderPlaced
from shopnow.examples import example_json
from shopnow.framing import Header

EITHER_SHARE = 0.1
"""Share of the records that `record_values` generates."""
HOSTILE_TEXTS = (
    *("constructor", "__proto__", "null", "NaN", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>"),
    *("'; DROP TABLE orders; --", "=cmd|' /C calc'!A0", "@SUM(1+1)", "{{ 7*7 }}", "${jndi:ldap://x}", "%s%n"),
    *(
        "[bold]x[/bold]",
        "*a*_b_`c`",
        "<!channel>",
        "..",
        "../../etc/passwd",
        "a/b",
        "é",
        "e\u0301",
        "\u202ex",
    ),
    *("日本語", "😀" * 20, "\ufeffx", "x" * 64, " x ", "\u2028", '"', "\\", "|", "-rf", "0", "1e400"),
)
"""Texts that are valid in names and ids, and special to one of the programs that show them."""


class Expected(StrEnum):
    """What must become of a record."""

    EVENT = "an event"
    QUARANTINED = "in quarantine"
    EITHER = "either"


class HostileRecord(NamedTuple):
    """A record for a topic, and what must become of it."""

    topic: str
    value: bytes | None
    expected: Expected
    event_id: str = ""
    """In lower case, if it must become an event."""
    key: bytes | None = None
    headers: tuple[Header, ...] = ()


def generate(rng: Random, count: int) -> list[HostileRecord]:
    """Generate records in random order: half are valid events, the others hostile in one way at least."""
    either = [_of_value(rng, value) for value in _record_values(rng, int(count * EITHER_SHARE))]
    builders = [_plain, _plain, _spelled, _invalid]
    generated = either + [
        builders[number % len(builders)](rng, number) for number in range(count - len(either))
    ]
    rng.shuffle(generated)
    return [
        record._replace(key=_key(rng), headers=(*record.headers, *_other_headers(rng)))
        for record in generated
    ]


def _record_values(rng: Random, count: int) -> Sequence[record_values.RecordValue]:
    return record_values.generate(count, rng.randrange(2**32))[:count]


def _of_value(rng: Random, record: record_values.RecordValue) -> HostileRecord:
    """Give the record an id of its own where the bytes show it, so that not all are one event."""
    shared = example_json(record.type_)["event_id"].encode()
    value = record.value.replace(shared, new_id(rng).encode())
    headers = tuple(record.headers or ())
    return HostileRecord(TOPIC_OF[record.type_].name, value, Expected.EITHER, headers=headers)


def _plain(rng: Random, number: int) -> HostileRecord:
    type_ = _type(rng)
    return _event(type_, event := new_event(rng, type_), to_json(event))


def _spelled(rng: Random, number: int) -> HostileRecord:
    """A valid event in an unusual spelling or framing; takes the spellings in turn."""
    type_ = _type(rng)
    event = new_event(rng, type_)
    return _SPELLINGS[number // 4 % len(_SPELLINGS)](rng, type_, event)


def _invalid(rng: Random, number: int) -> HostileRecord:
    """A record that is no valid event; takes the damages in turn."""
    type_ = _type(rng)
    value = DAMAGES[number // 4 % len(DAMAGES)](rng, type_, new_event(rng, type_))
    return HostileRecord(TOPIC_OF[type_].name, value, Expected.QUARANTINED)


def _type(rng: Random) -> type[Event]:
    return rng.choice(list(TOPIC_OF))


def _event(
    type_: type[Event], event: dict[str, Any], value: bytes, headers: tuple[Header, ...] = ()
) -> HostileRecord:
    event_id = event["event_id"].lower()
    return HostileRecord(TOPIC_OF[type_].name, value, Expected.EVENT, event_id, headers=headers)


def _with_text(rng: Random, event: dict[str, Any]) -> dict[str, Any]:
    """Put a hostile text into one field that takes any text."""
    fields = [name for name in record_values.TEXT_FIELDS if name in event]
    return {**event, rng.choice(fields): rng.choice(HOSTILE_TEXTS)} if fields else event


def _escaped(event: dict[str, Any]) -> bytes:
    """Spell every character of names and texts as an escape."""

    def escape(text: str) -> str:
        return '"' + "".join(f"\\u{ord(character):04x}" for character in text) + '"'

    fields = (
        f"{escape(name)}:{escape(value) if isinstance(value, str) else json.dumps(value)}"
        for name, value in event.items()
    )
    return f"{{{','.join(fields)}}}".encode()


def _cloud_event(event: dict[str, Any], **data: Any) -> bytes:
    return to_json({"specversion": "1.0", "id": "1", "source": "/x", "type": "x", **data})


_CE_HEADERS = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/x"), ("ce_type", b"x"))

Spelling = Callable[[Random, type[Event], dict[str, Any]], HostileRecord]
_SPELLINGS: tuple[Spelling, ...] = (
    lambda rng, type_, event: _event(type_, event, b"\xef\xbb\xbf" + to_json(event)),
    lambda rng, type_, event: _event(type_, event, b"\0" + rng.randbytes(4) + to_json(event)),
    lambda rng, type_, event: _event(type_, event, _cloud_event(event, data=event)),
    lambda rng, type_, event: _event(
        type_, event, _cloud_event(event, data_base64=base64.b64encode(to_json(event)).decode())
    ),
    lambda rng, type_, event: _event(type_, event, to_json(event), _CE_HEADERS),
    lambda rng, type_, event: _event(type_, event, b" \r\n\t" + json.dumps(event, indent=3).encode() + b"\n"),
    lambda rng, type_, event: _event(type_, event, to_json(dict(reversed(event.items())))),
    lambda rng, type_, event: _event(type_, event, _escaped(event)),
    lambda rng, type_, event: _event(type_, event, to_json(event | {"event_id": event["event_id"].upper()})),
    lambda rng, type_, event: _event(
        type_, event, to_json(event | {"event_time": "2026-11-25T23:59:59.999999999+00:00"})
    ),
    lambda rng, type_, event: _event(type_, event, to_json(_at(event, "1970-01-01T00:00:00Z"))),
    lambda rng, type_, event: _event(
        type_, event, to_json(event | {"event_time": "2024-02-29T12:00:00+14:00", "schema_version": 1})
    ),
    lambda rng, type_, event: _event(type_, event, to_json(event | {"note": [{"a": [None] * 100}] * 10})),
    *[lambda rng, type_, event: _event(type_, event, to_json(_with_text(rng, event)))] * 6,
    lambda rng, type_, event: _event(OrderPlaced, *_large_order(rng)),
)
"""Ways to write a valid event."""


def _at(event: dict[str, Any], time: str) -> dict[str, Any]:
    """Move all times of an event, as a delivery is promised at most ten years after it is created."""
    return event | {name: time for name in record_values.TIME_FIELDS if name in event}


def _large_order(rng: Random) -> tuple[dict[str, Any], bytes]:
    order = new_event(rng, OrderPlaced)
    [item] = order["items"]
    items = [item | {"product_id": f"storm-p-{number}"} for number in range(rng.choice((161, MAX_ITEMS)))]
    goods = sum(item["quantity"] * item["unit_price_cents"] for item in items)
    order |= {"items": items, "total_cents": goods - order["discount_cents"]}
    return order, to_json(order)


def _key(rng: Random) -> bytes | None:
    keys = (None, b"", b"storm", b"\xff\xfe", b"\0", "schlüssel".encode(), b"k" * 10_000)
    return rng.choice(keys)


def _other_headers(rng: Random) -> Iterator[Header]:
    """Yield headers that do not change how a value is read."""
    if rng.random() < 0.2:
        names = ("", "traceparent", "заголовок", "x" * 1000, "'; --", "content-encoding")
        for _ in range(rng.choice((1, 2, 50))):
            yield rng.choice(names), rng.choice((None, b"", b"\xff\0", b"x" * 1000))
