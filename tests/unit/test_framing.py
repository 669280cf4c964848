"""Framings that are read, and wrappings that stay in quarantine under their name."""

import base64
import bz2
import gzip
import json
import lzma
import zlib
from typing import Any

import pytest

from shopnow import validation
from shopnow.events import TOPIC_OF, PaymentSucceeded
from shopnow.examples import example_json
from shopnow.framing import Header, unframe

EVENT: dict[str, Any] = example_json(PaymentSucceeded)
VALUE = json.dumps(EVENT).encode()
HEAD = ("event_id", "event_type", "event_time")
DATA = {name: value for name, value in EVENT.items() if name not in HEAD}
ENVELOPE = {"specversion": "1.0", "source": "/shop", "id": EVENT["event_id"]}
ATTRIBUTES: list[Header] = [
    ("ce_specversion", b"1.0"),
    ("ce_id", EVENT["event_id"].encode()),
    ("ce_type", b"payment_succeeded"),
    ("ce_time", EVENT["event_time"].encode()),
    ("ce_source", None),
]
decode = TOPIC_OF[PaymentSucceeded].decoder().decode


def check(value: bytes, headers: list[Header] | None = None) -> validation.CheckedRecord:
    return validation.check_record(decode, value, headers)


def encoded(event: Any) -> bytes:
    return json.dumps(event).encode()


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"\xef\xbb\xbf" + VALUE, None),
        (b"\0\0\0\0\x07" + VALUE, None),
        (b"\0\x7b\0\0\x07 \n" + VALUE, None),
        (b"\xef\xbb\xbf\0\0\0\0\x07" + VALUE, None),
        (b"\0\0\0\0\x07\xef\xbb\xbf" + VALUE, None),
        (encoded(ENVELOPE | {"type": "com.shop.payment", "data": EVENT}), None),
        (encoded(ENVELOPE | {"type": "payment_succeeded", "time": EVENT["event_time"], "data": DATA}), None),
        (encoded(ENVELOPE | {"type": "x", "data_base64": base64.b64encode(VALUE).decode()}), None),
        (b"\0\0\0\0\x07" + encoded(ENVELOPE | {"type": "x", "data": EVENT}), None),
        (encoded(DATA), ATTRIBUTES),
        (encoded(DATA), [(name.replace("ce_", "CE-"), value) for name, value in ATTRIBUTES]),
    ],
)
def test_a_framed_event_is_read_and_its_json_is_the_payload(value, headers):
    checked = check(value, headers)
    assert checked.problem is None
    assert checked.payload is not None
    assert json.loads(checked.payload) == EVENT
    assert json.loads(unframe(value, headers)) == EVENT


def test_an_event_with_the_attributes_of_a_cloud_event_is_read_as_it_stands():
    assert check(VALUE, ATTRIBUTES) == check(VALUE)
    assert check(encoded(EVENT | {"specversion": "1.0", "data": {}})).payload is None


@pytest.mark.parametrize(
    ("value", "name", "remedy"),
    [
        (gzip.compress(VALUE), "gzip", "compression.type"),
        (zlib.compress(VALUE), "zlib", "compression.type"),
        (bz2.compress(VALUE), "bzip2", "compression.type"),
        (lzma.compress(VALUE), "xz", "compression.type"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "zstd", "compression.type"),
        (b"\x04\x22\x4d\x18\x60\x40", "lz4", "compression.type"),
        (b"\xff\x06\x00\x00sNaPpY\x01", "snappy", "compression.type"),
        (b"\x82SNAPPY\x00\x00\x00", "snappy", "compression.type"),
        (b"\0\0\0\0\x07\x48payment_succeeded\x02", "Avro in a schema registry frame", "schema id 7"),
        (b"\0\0\0\0\x07\x00\x0a\x03abc\x10\x01", "Protobuf in a schema registry frame", "schema id 7"),
        (b"\x0a\x11payment_succeeded\x10\x01", "Protobuf", "serializer"),
        (b"Obj\x01\x04\x16avro.schema", "Avro container file", "serializer"),
        (b"\xc3\x01" + b"\x01" * 12, "Avro single object", "serializer"),
        (b"\x03\x00" + b"\x07" * 30, "AWS Glue schema registry frame", "serializer"),
        (b"\x82\xa8event_id\xa1x", "MessagePack", "serializer"),
        (b"\xa2hevent_id", "CBOR", "serializer"),
        (b"\xac\xed\x00\x05t\x00\x05hello", "Java serialization", "value.serializer"),
        (b"\x80\x04\x95\x10\x00", "Python pickle", "json.dumps"),
        (VALUE.decode().encode("utf-16"), "UTF-16", "UTF-8"),
        (VALUE.decode().encode("utf-16-be"), "UTF-16", "UTF-8"),
        (VALUE.decode().encode("utf-32-le"), "UTF-32", "UTF-8"),
        (base64.b64encode(VALUE), "base64", "not its base64 text"),
        (b"[object Object]", "the text [object Object]", "JSON.stringify"),
        (str(EVENT).encode(), "the text form of an object", "json.dumps"),
        (b"<order/>", "XML", "serializer"),
        (encoded(VALUE.decode()), "JSON within a JSON string", "serialize once"),
        (encoded([EVENT]), "an array", "record of its own"),
        (encoded({"schema": {}, "payload": EVENT}), "Kafka Connect envelope", "schemas.enable=false"),
        (
            encoded({"before": None, "after": EVENT, "op": "c"}),
            "Debezium change event",
            "ExtractNewRecordState",
        ),
        (encoded(ENVELOPE | {"type": "x", "data": "text"}), "CloudEvent without an event", "data"),
    ],
)
def test_other_wrappings_are_named_with_what_mends_them(value, name, remedy):
    problem = check(value).problem or ""
    assert problem.startswith(f"not JSON: {name}")
    assert remedy in problem
    assert validation.reason_of(problem).startswith(f"not JSON: {name}")
    assert validation.field_of(problem) is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (VALUE[:-1] + b",}", f"invalid JSON (trailing comma in object, byte {len(VALUE)})"),
        (
            VALUE.replace(b"payment_succ", b"x")[:-1] + b",}",
            "invalid JSON (trailing comma in object, byte 270)",
        ),
        (VALUE.replace(b"EUR", rb"\ud83d"), r"invalid JSON (half of a surrogate pair \ud83d, byte "),
        (VALUE.replace(b"EUR", b"E\xff"), "invalid UTF-8 (byte "),
        (b"hello", "invalid JSON (invalid character, byte 0)"),
    ],
)
def test_a_syntax_error_is_reported_with_its_position(value, problem):
    assert (check(value).problem or "").startswith(problem[:50])


def test_sizes_are_checked_within_base64():
    data = base64.b64encode(VALUE[:-1] + b',"x":' + b"[" * 100_000).decode()
    problem = check(encoded(ENVELOPE | {"type": "x", "data_base64": data})).problem
    assert problem == "invalid JSON (nested too deep, at most 500 levels)"


@pytest.mark.parametrize("recursions", [0, 400, 880])
def test_the_depth_limit_does_not_depend_on_the_stack_of_the_caller(recursions):
    def nested(levels: int) -> bytes:
        return VALUE[:-1] + b',"x":' + b"[" * levels + b"]" * levels + b"}"

    def at_depth(depth: int) -> list[str | None]:
        if depth:
            return at_depth(depth - 1)
        return [check(nested(499)).problem, check(nested(500)).problem]

    assert at_depth(recursions) == [None, "invalid JSON (nested too deep, at most 500 levels)"]
