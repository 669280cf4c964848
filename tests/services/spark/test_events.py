import json
from datetime import UTC, date, datetime

import msgspec
import pytest
from pyspark.sql import functions as F

from factories.events import event
from shopnow import schemas
from shopnow.events import TOPICS, OrderItem, OrderPlaced, encode
from shopnow.lake.lineage.lineage import OffsetRange
from shopnow.validation import read_valid
from shopnow_spark.events import deduplicate, filter_ranges, parse_events
from support import frames

PAYMENTS, ORDERS = TOPICS["payments"], TOPICS["orders"]


def payment(number: int = 1, **fields: object) -> bytes:
    """Return a payment as JSON, which unlike the factories' events can have extra and malformed fields."""
    event = {
        "event_type": "payment_succeeded",
        "event_id": f"0199d3f0-1111-7abc-8def-{number:012}",
        "event_time": "2026-11-22T07:56:00.123Z",
        "schema_version": 1,
        "payment_id": "p",
        "order_id": "o",
        "method": "card",
        "amount_cents": 100,
        "currency": "EUR",
        "attempt": 1,
    }
    return json.dumps(event | fields).encode()


def test_columns_are_those_of_the_table(raw_of):
    frame = parse_events(raw_of([payment()]), PAYMENTS)
    assert frame.toArrow().schema.names == schemas.events(PAYMENTS).names
    [row] = frame.collect()
    assert (row.event_type, row.amount_cents, row.reason, row.event_date) == (
        "payment_succeeded",
        100,
        None,
        date(2026, 11, 22),
    )
    assert (row.source_topic_id, row.source_partition, row.source_offset) == ("id", 0, 0)


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
def test_events_of_the_kpi_tests_are_those_of_the_pipeline(raw_of, topic):
    events = [event(type_, "2026-11-03T01:30:00+02:00") for type_ in topic.types]
    parsed = parse_events(raw_of([encode(event) for event in events]), topic)
    created = frames.table_of(topic.name, *events)
    assert created.column_names == parsed.columns
    assert created.to_pylist() == parsed.toArrow().to_pylist()


def test_nested_items_are_kept(raw_of):
    items = [
        OrderItem(product_id=f"p{n}", product_name="Näme", category="c", quantity=n, unit_price_cents=10**12)
        for n in (1, 2)
    ]
    order = OrderPlaced(
        event_id="0199d3f0-1111-7abc-8def-000000000001",
        event_time=datetime(2026, 11, 22, tzinfo=UTC),
        schema_version=1,
        order_id="o",
        session_id="s",
        customer_id="c",
        customer_name="Zoé",
        country="FR",
        items=items,
        discount_cents=0,
        total_cents=3 * 10**12 // 10,
        currency="EUR",
        address="1 rue",
    )
    [row] = parse_events(raw_of([encode(order)]), ORDERS).collect()
    assert [item.asDict() for item in row["items"]] == msgspec.to_builtins(items)


def test_quarantined_records_are_not_events(raw_of):
    frame = parse_events(raw_of([payment(1), b"{", payment(2)], [None, "not JSON", "unknown"]), PAYMENTS)
    assert [row.source_offset for row in frame.collect()] == [0]


def test_a_correction_is_read_instead_of_the_value(raw_of):
    frame = parse_events(raw_of([b"{", payment(2)], corrections=[payment(1, amount_cents=7), None]), PAYMENTS)
    assert [row.amount_cents for row in frame.collect()] == [7, 100]


TIMES = [
    "2026-11-22T07:56:00Z",
    "2026-11-22T07:56:00.123456Z",
    "2026-11-22T07:56:00.123999999Z",
    "2026-11-22T23:59:59.9999999Z",
    "2026-11-22 07:56:00Z",
    "2026-11-22t07:56:00.5z",
    "2026-11-22T07:56:00+02:00",
    "2026-11-22T07:56:00-00:30",
    "2026-11-22T01:00:00+0200",
    "2026-11-22T07:56:00+23:59",
    "2026-11-22T07:56:00-23:59",
    "1969-12-31T23:59:59.999Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
]


def test_times_equal_those_that_landing_decoded(raw_of):
    values = [payment(number, event_time=time) for number, time in enumerate(TIMES)]
    decoded = [read_valid(PAYMENTS.decoder().decode, value).event_time for value in values]
    parsed = (
        parse_events(raw_of(values), PAYMENTS)
        .select("source_offset", F.unix_micros("event_time").alias("time"), "event_date")
        .collect()
    )
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert {TIMES[row.source_offset]: (row.time, row.event_date) for row in parsed} == {
        text: ((time - epoch) // datetime.resolution, time.date())
        for text, time in zip(TIMES, decoded, strict=True)
    }


def test_accepted_records_are_typed_whatever_else_they_contain(raw_of):
    values = [
        b" \n" + payment(1) + b"\t",
        payment(2, extra=[1, {"deep": None}]),
        payment(3, payment_id="caf\u00e9 \U0001f600 \x00"),
        payment(4)[:-1] + b', "amount_cents": 7}',
        payment(5, amount_cents=0),
        payment(6, amount_cents=10**12),
    ]
    decoder = PAYMENTS.decoder()
    decoded = [decoder.decode(value) for value in values]
    rows = parse_events(raw_of(values), PAYMENTS).orderBy("source_offset").collect()
    assert [(row.event_id, row.payment_id, row.amount_cents) for row in rows] == [
        (event.event_id, event.payment_id, event.amount_cents) for event in decoded
    ]


def test_the_first_of_repeated_events_is_kept(raw_of):
    frame = parse_events(raw_of([payment(1), payment(2), payment(1, amount_cents=7)], partition=1), PAYMENTS)
    frame = frame.unionByName(parse_events(raw_of([payment(2, amount_cents=9)]), PAYMENTS))
    kept = {
        row.event_id[-1]: (row.source_partition, row.source_offset, row.amount_cents)
        for row in deduplicate(frame).collect()
    }
    assert kept == {"1": (1, 0, 100), "2": (0, 0, 9)}
    assert deduplicate(frame).columns == frame.columns


def test_within_takes_start_and_leaves_end(raw_of):
    frame = raw_of([payment(n) for n in range(6)])
    offsets = [
        row.offset
        for row in filter_ranges(
            frame, [OffsetRange("id", 0, 1, 3), OffsetRange("id", 0, 5, 9), OffsetRange("id", 1, 3, 4)]
        ).collect()
    ]
    assert offsets == [1, 2, 5]
    assert filter_ranges(frame, [OffsetRange("other", 0, 0, 9)]).count() == 0
    assert filter_ranges(frame, None) is frame
