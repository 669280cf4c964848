"""Which events are a customer's, when the id of their order was used for another customer, too."""

import base64
import json

import pyarrow as pa

from shopnow.events import TOPICS
from shopnow.lake.governance.redaction import Subject, _redact, redact_events, redact_raw
from shopnow.schemas import RAW

SUBJECT = Subject("anna", frozenset({"o-1"}), "forgotten-1")
EVENTS = [
    {"order_id": "o-1", "customer_id": "anna", "customer_name": "Anna"},
    {"order_id": "o-1", "customer_id": "ben", "customer_name": "Ben"},
    {"order_id": "o-1", "customer_id": None, "address": "Rue 1"},
    {"order_id": "o-2", "customer_id": None, "address": "Rue 2"},
]
NAMES = ("order_id", "customer_id", "customer_name", "address")
RIGHT = [
    ("forgotten-1", "erased", None),
    ("ben", "Ben", None),
    (None, None, "erased"),
    (None, None, "Rue 2"),
]


def test_events_that_name_another_customer_stay():
    rows = pa.Table.from_pylist([dict.fromkeys(NAMES) | event for event in EVENTS])
    redacted = redact_events(SUBJECT)(rows).to_pylist()
    assert [tuple(row[name] for name in NAMES[1:]) for row in redacted] == RIGHT


def test_records_that_name_another_customer_stay():
    values = [
        json.dumps({name: value for name, value in event.items() if value}).encode() for event in EVENTS
    ]
    redacted = [json.loads(_redact(value, NAMES, SUBJECT)) for value in values]
    assert [tuple(event.get(name) for name in NAMES[1:]) for event in redacted] == RIGHT


def test_headers_that_hide_the_customer_are_erased():
    hidden, other = base64.b64encode(b'{"customer": "anna"}'), base64.b64encode(b'{"customer": "joanna"}')
    rows = [
        {"value": b"{}", "headers": [{"key": "context", "value": value}, {"key": "trace", "value": None}]}
        for value in (hidden, other)
    ]
    redacted = redact_raw(TOPICS["orders"], SUBJECT)(pa.Table.from_pylist(rows, RAW)).to_pylist()
    assert [row["headers"][0]["value"] for row in redacted] == [b"erased", other]
