"""Records that are no valid event, for the storm, and the valid events that they are made from."""

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

from shopnow.events import MAX_ITEMS, TOPIC_OF, Event, OrderPlaced, Stock
from shopnow.examples import example_json
from shopnow.ids import uuid7

TIMES = 1_790_000_000_000, 1_795_000_000_000
"""Range of the times in event ids, ms since 1970; before now."""


def new_id(rng: Random) -> str:
    return uuid7(rng.randrange(*TIMES), f"{rng.getrandbits(80):020x}")


def new_event(rng: Random, type_: type[Event]) -> dict[str, Any]:
    """Return a valid event of few orders, customers and products, so that events meet in the KPIs."""
    event = example_json(type_) | {"event_id": new_id(rng)}
    for name, prefix in (("order_id", "storm-o"), ("customer_id", "storm-c"), ("session_id", "storm-s")):
        if name in event:
            event[name] = f"{prefix}-{rng.randrange(50)}"
    if issubclass(type_, Stock):
        event["product_id"] = f"storm-p-{rng.randrange(8)}"
    return event


def to_json(event: Any) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _raw(**fields: bytes) -> "Damage":
    """Replace fields by these bytes; a record must not depend on the field's presence in its type."""

    def damage(rng: Random, type_: type[Event], event: dict[str, Any]) -> bytes:
        pairs = {name: to_json(value) for name, value in event.items()} | fields
        return b"{" + b",".join(b'"%s":%s' % (name.encode(), text) for name, text in pairs.items()) + b"}"

    return damage


def _order(**fields: Any) -> "Damage":
    """Damage an order, whatever the type; its topic rejects it as it stands, or as one of another topic."""
    return lambda rng, type_, event: to_json(new_event(rng, OrderPlaced) | fields)


def _insert(data: bytes) -> "Damage":
    def damage(rng: Random, type_: type[Event], event: dict[str, Any]) -> bytes:
        value = to_json(event)
        at = rng.randrange(1, len(value))
        return value[:at] + data + value[at:]

    return damage


def _encoded(encode: Callable[[bytes], bytes]) -> "Damage":
    return lambda rng, type_, event: encode(to_json(event))


def _without_field(rng: Random, type_: type[Event], event: dict[str, Any]) -> bytes:
    optional = {"coupon"}
    name = rng.choice([name for name in event if name not in optional])
    return to_json({key: value for key, value in event.items() if key != name})


def _of_other_topic(rng: Random, type_: type[Event], event: dict[str, Any]) -> bytes:
    others = [other for other in TOPIC_OF if TOPIC_OF[other] is not TOPIC_OF[type_]]
    return to_json(new_event(rng, rng.choice(others)))


def _wrong_type(rng: Random, type_: type[Event], event: dict[str, Any]) -> bytes:
    name = rng.choice([name for name in event if name != "coupon"])
    return to_json(event | {name: rng.choice((None, True, [], {}, [[1]], {"a": event[name]}))})


Damage = Callable[[Random, type[Event], dict[str, Any]], bytes | None]
DAMAGES: tuple[Damage, ...] = (
    lambda rng, type_, event: None,
    *(lambda rng, type_, event, value=value: value for value in (b"", b" ", b"\0", b"{}", b"[]", b"null")),
    lambda rng, type_, event: rng.randbytes(rng.randrange(1, 2000)) + b"\xff",
    lambda rng, type_, event: (value := to_json(event))[: rng.randrange(1, len(value))],
    _insert(b"\xff"),
    _insert(b"\0"),
    _insert(b"\xed\xa0\x80"),
    _insert(b"\x1b"),
    _without_field,
    _of_other_topic,
    _wrong_type,
    _raw(event_type=b'"order_exploded"'),
    _raw(event_id=rb'"\ud83d"'),
    _raw(event_id=b'"01a20ed2-7cc2-4c01-9a50-000000000000"'),
    _raw(event_id=b'""'),
    _raw(event_id=b'"' + b"x" * 100_000 + b'"'),
    *(
        _raw(event_time=b'"%s"' % time)
        for time in (
            *(b"2099-01-01T00:00:00Z", b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59.999Z"),
            *(b"1969-12-31T23:59:59.999Z", b"2026-02-30T00:00:00Z", b"2026-11-25T12:00:00", b"yesterday"),
        )
    ),
    *(
        _raw(schema_version=number)
        for number in (
            *(
                b"0",
                b"3",
                b"-1",
                b"1e400",
                b"9" * 400,
                b"9" * 100_000,
                b"NaN",
                b"01",
                b"0x1",
                b"1" + b"0" * 50,
            ),
            *(b"true", b'"1"', b"1.5", b"-Infinity"),
        )
    ),
    *(_raw(note=b"[" * depth + b"]" * depth) for depth in (600, 20_000, 200_000)),
    _raw(note=b'{"a":' * 5000 + b"1" + b"}" * 5000),
    _raw(note=b"[" * 100_000),
    _raw(note=rb'"\ud83d"'),
    _raw(note=b"'x'"),
    _raw(note=b"1,"),
    _raw(note=b'"' + b"x" * 900_000),
    _order(total_cents=1),
    _order(discount_cents=10**9, total_cents=0),
    _order(currency="eur"),
    _order(currency="12$"),
    _order(country="UK"),
    _order(items=[]),
    _order(items=[example_json(OrderPlaced)["items"][0]] * (MAX_ITEMS + 1)),
    _order(
        items=[example_json(OrderPlaced)["items"][0] | {"quantity": 10**6, "unit_price_cents": 10**12}] * 9
    ),
    _order(customer_name="\u0007"),
    _order(customer_id="a\nb"),
    _order(address="x" * 100_000),
    _encoded(lambda value: gzip.compress(value, mtime=0)),
    _encoded(zlib.compress),
    _encoded(base64.b64encode),
    _encoded(lambda value: value.decode().encode("utf-16")),
    _encoded(lambda value: value.decode().encode("utf-32-be")),
    _encoded(lambda value: b"\0\0\0\0\x2a\x02" + value),
    _encoded(lambda value: b"\0\0\0\0\x2a\0\x0a" + bytes([len(value) & 0x7F]) + value),
    _encoded(lambda value: b"Obj\x01" + value),
    _encoded(lambda value: b"\x28\xb5\x2f\xfd" + value),
    _encoded(lambda value: b"<event>" + value + b"</event>"),
    _encoded(lambda value: b"[" + value + b"]"),
    _encoded(lambda value: value + value),
    _encoded(lambda value: value + b"}"),
    _encoded(lambda value: json.dumps(value.decode()).encode()),
    _encoded(lambda value: str(json.loads(value)).encode()),
    _encoded(lambda value: b'{"schema":null,"payload":' + value + b"}"),
    _encoded(lambda value: b"\xef\xbb\xbf\xef\xbb\xbf" + value),
)
"""Ways to write no valid event, whatever the event's type."""
