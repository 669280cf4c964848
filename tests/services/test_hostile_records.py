"""Records of other producers, from raw to events, KPIs, rebuild and erasure: none stops or distorts anything."""

import json
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from factories import raw_tables
from factories.events import unique_event_id
from shopnow.audit import raw_events
from shopnow.events import (
    SCHEMA_VERSION,
    TOPIC_OF,
    TOPICS,
    CartItemAdded,
    OrderPlaced,
    PaymentSucceeded,
    ProductViewed,
    StockAdjusted,
)
from shopnow.examples import example_json
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import erasure, quarantine
from shopnow_spark import rebuild

NOW = datetime.now(UTC)
DAY = date(2026, 11, 27)


def record(type_: type, **fields: Any) -> bytes:
    """Return the example of a type with a new id as JSON; bytes among the fields are JSON as it is."""
    event = example_json(type_) | {"event_id": unique_event_id(), **fields}
    body = ",".join(
        f"{json.dumps(name)}:{value.decode() if isinstance(value, bytes) else json.dumps(value)}"
        for name, value in event.items()
    )
    return f"{{{body}}}".encode()


def land(lake: str, type_: type, *values: bytes) -> None:
    raw_tables.land_records(lake, TOPIC_OF[type_], values)


def read(lake: str, name: str, *columns: str) -> list:
    rows = tables.read(Table(lake, name).open(), list(columns) or None).to_pylist()
    return rows if len(columns) != 1 else [row[columns[0]] for row in rows]


def problems(lake: str) -> list[str]:
    return [record.problem for record in quarantine.records(lake)]


def audit(lake: str) -> str:
    """Compare raw with events, as `verify` does."""
    snapshots = {f"events/{name}": Table(lake, f"events/{name}").open_if_exists() for name in TOPICS}
    events = {name: snapshot for name, snapshot in snapshots.items() if snapshot is not None}
    return raw_events.check(SimpleNamespace(lake=lake, events=events, report=lambda *_: None))


def test_finer_times_than_milliseconds_stay_on_their_day_in_all_layers(local_lake, refresh, spark):
    times = ["2026-11-28T10:00:00.1234567Z", "2026-11-28T10:00:00.123456789Z", f"{DAY}T23:59:59.9999999Z"]
    land(local_lake, PaymentSucceeded, *(record(PaymentSucceeded, event_time=time) for time in times))
    refresh(local_lake)
    assert sorted(str(time) for time in read(local_lake, "events/payments", "event_time")) == [
        f"{DAY} 23:59:59.999000+00:00",
        "2026-11-28 10:00:00.123000+00:00",
        "2026-11-28 10:00:00.123000+00:00",
    ]
    assert audit(local_lake).startswith("3 events, 0 records in quarantine")
    before = read(local_lake, "events/payments")
    for day in (DAY, DAY + timedelta(days=1)):
        rebuild.rebuild(local_lake, day, lambda: spark)
    assert read(local_lake, "events/payments") == before


def test_a_stock_count_of_2099_does_not_freeze_the_position(local_lake, refresh):
    def count(quantity: int, at: str) -> bytes:
        return record(StockAdjusted, product_id="p-clock", quantity_after=quantity, event_time=at)

    start = NOW - timedelta(minutes=10)
    land(
        local_lake,
        StockAdjusted,
        count(60, start.isoformat()),
        count(0, "2099-01-01T00:00:00Z"),
        count(80, (start + timedelta(minutes=5)).isoformat()),
    )
    refresh(local_lake)
    assert read(local_lake, "kpi/stock_position", "quantity") == [80]
    [problem] = problems(local_lake)
    assert problem.startswith("out of range: event_time (2099-01-01T00:00:00.000Z; at most ")


def test_an_order_of_2099_makes_no_date_of_2099(local_lake, refresh):
    land(local_lake, OrderPlaced, record(OrderPlaced, event_time="2099-01-01T00:00:00Z"), record(OrderPlaced))
    refresh(local_lake)
    assert read(local_lake, "kpi/sales_daily", "date") == [date(2026, 11, 24)]


def test_the_first_and_the_last_date_flow_through_every_table(local_lake, refresh, spark):
    first, last = datetime(1970, 1, 1, tzinfo=UTC), NOW + timedelta(minutes=4)
    land(local_lake, OrderPlaced, *(record(OrderPlaced, event_time=at.isoformat()) for at in (first, last)))
    land(local_lake, OrderPlaced, record(OrderPlaced, event_time="0001-01-01T00:00:00Z"))
    refresh(local_lake)
    days = sorted({first.date(), last.date()})
    assert sorted(read(local_lake, "kpi/sales_daily", "date")) == days
    assert audit(local_lake).startswith("2 events, 1 records in quarantine")
    before = read(local_lake, "events/orders")
    for day in days:
        rebuild.rebuild(local_lake, day, lambda: spark)
    assert read(local_lake, "events/orders") == before


def test_ids_in_upper_and_lower_case_are_one_event(local_lake, refresh):
    id_ = "01a20ed2-7cc2-7c01-9a50-00000000ab24"
    land(local_lake, PaymentSucceeded, *(record(PaymentSucceeded, event_id=i) for i in (id_.upper(), id_)))
    refresh(local_lake)
    assert read(local_lake, "events/payments", "event_id") == [id_]
    assert audit(local_lake) == "1 events, 0 records in quarantine, 1 duplicates"


def test_contradictory_amounts_and_other_currencies_are_not_counted(local_lake, refresh):
    huge = example_json(OrderPlaced)["items"][0] | {"quantity": 10**6, "unit_price_cents": 10**12}
    land(
        local_lake,
        OrderPlaced,
        record(OrderPlaced),
        record(OrderPlaced, total_cents=1),
        record(OrderPlaced, discount_cents=9990, total_cents=0),
        record(OrderPlaced, items=[huge] * 10, total_cents=100),
        record(OrderPlaced, currency="eur"),
        record(OrderPlaced, currency="12$"),
    )
    refresh(local_lake)
    [row] = read(local_lake, "kpi/sales_daily")
    assert (row["currency"], row["orders"], row["gmv_cents"]) == ("EUR", 1, 5_980)
    assert [problem.split(" (")[0] for problem in problems(local_lake)] == [
        "invalid value: total_cents",
        "invalid value: discount_cents",
        "invalid value: total_cents",
        "invalid value: currency",
        "invalid value: currency",
    ]


def test_framed_events_are_counted_and_their_bytes_kept(local_lake, refresh):
    framed = [
        b"\xef\xbb\xbf" + record(PaymentSucceeded),
        b"\0\0\0\0\x2a" + record(PaymentSucceeded),
        b'{"specversion":"1.0","id":"1","source":"/x","type":"x","data":%s}' % record(PaymentSucceeded),
    ]
    land(local_lake, PaymentSucceeded, *framed, b"\0\0\0\0\x2a\x02avro")
    refresh(local_lake)
    assert len(read(local_lake, "events/payments")) == 3
    assert audit(local_lake) == "3 events, 1 records in quarantine, 0 duplicates"
    assert read(local_lake, "raw/payments", "value")[:3] == framed
    assert problems(local_lake)[0].startswith("not JSON: Avro in a schema registry frame (schema id 42;")


@pytest.mark.parametrize(
    ("customer", "spelling"),
    [
        ("anna+shop@example.com", rb'"anna\u002Bshop@example.com"'),
        ("eu/4711", rb'"eu\/4711"'),
        ("anna", rb'"\u0061nn\u0061"'),
        ("zoé", '"zoe\u0301"'.encode()),
    ],
)
def test_erasure_finds_an_id_however_it_is_written(lake, refresh, spark, customer, spelling):
    views = [record(ProductViewed, customer_id=spelling), record(ProductViewed, customer_id="other")]
    bad = record(ProductViewed, customer_id=spelling, currency="eur")
    cart = record(CartItemAdded, customer_id=spelling)
    framed = b"\0\0\0\0\x2a" + record(ProductViewed, customer_id=spelling)
    order = record(OrderPlaced, customer_id=spelling, order_id="o-erased", customer_name="Anna Probe")
    land(lake, ProductViewed, *views, bad, framed)
    land(lake, CartItemAdded, cart)
    land(lake, OrderPlaced, order)
    refresh(lake)
    assert erasure.erase_customer(lake, customer, why="asked", by="me")
    raw = b"".join(
        value
        for topic in ("views", "carts", "orders")
        for row in read(lake, f"raw/{topic}")
        for value in (row["value"], row["payload"], row["correction"])
        if value is not None
    )
    assert spelling not in raw
    assert b"Anna Probe" not in raw
    for name, count in {"views": 3, "carts": 1, "orders": 1}.items():
        day = example_json({"views": ProductViewed, "carts": CartItemAdded}.get(name, OrderPlaced))[
            "event_time"
        ]
        rebuild.rebuild_events(lake, TOPICS[name], date.fromisoformat(day[:10]), lambda: spark)
        ids = read(lake, f"events/{name}", "customer_id")
        assert len(ids) == count
        assert customer not in ids
    assert SCHEMA_VERSION in read(lake, "events/views", "schema_version")
    assert audit(lake)
