"""Records of other producers, from raw to events, KPIs, rebuild and erasure: none stops or distorts any."""

import json
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

from factories import raw_tables
from factories.events import unique_event_id
from shopnow import validation
from shopnow.audit import raw_events
from shopnow.events import (
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
from shopnow.lake.governance import erasure, quarantine, revalidation
from shopnow.lake.ingest import raw_encoding
from shopnow_spark import rebuild
from shopnow_spark.refresh_events import refresh_events

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
    return raw_events.check(SimpleNamespace(lake=lake, events=events, losses=[], report=lambda *_: None))


NANOSECONDS = ["2026-11-28T10:00:00.1234567Z", "2026-11-28T10:00:00.123456789Z", f"{DAY}T23:59:59.9999999Z"]
UPPER_CASE = "01A20ED2-7CC2-7C01-9A50-00000000AB24"
START = NOW - timedelta(minutes=10)
LAST = NOW + timedelta(minutes=4)
HUGE = example_json(OrderPlaced)["items"][0] | {"quantity": 10**6, "unit_price_cents": 10**12}


def stock_count(quantity: int, at: str) -> bytes:
    return record(StockAdjusted, product_id="p-clock", quantity_after=quantity, event_time=at)


FRAMED = [
    b"\xef\xbb\xbf" + record(PaymentSucceeded),
    b"\0\0\0\0\x2a" + record(PaymentSucceeded),
    b'{"specversion":"1.0","id":"1","source":"/x","type":"x","data":%s}' % record(PaymentSucceeded),
]
PAYMENTS = [
    *(record(PaymentSucceeded, event_time=time) for time in NANOSECONDS),
    *(record(PaymentSucceeded, event_id=id_) for id_ in (UPPER_CASE, UPPER_CASE.lower())),
    *FRAMED,
    b"\0\0\0\0\x2a\x02avro",
]
ORDERS = [
    record(OrderPlaced),
    record(OrderPlaced, event_time="1970-01-01T00:00:00Z"),
    record(OrderPlaced, event_time=LAST.isoformat()),
    record(OrderPlaced, event_time="0001-01-01T00:00:00Z"),
    record(OrderPlaced, event_time="2099-01-01T00:00:00Z"),
    record(OrderPlaced, total_cents=1),
    record(OrderPlaced, discount_cents=9990, total_cents=0),
    record(OrderPlaced, items=[HUGE] * 10, total_cents=100),
    record(OrderPlaced, currency="eur"),
    record(OrderPlaced, currency="12$"),
]
STOCK = [
    stock_count(60, START.isoformat()),
    stock_count(0, "2099-01-01T00:00:00Z"),
    stock_count(80, (START + timedelta(minutes=5)).isoformat()),
]


def test_records_of_other_producers_are_events_or_quarantined(local_lake, spark):
    land(local_lake, PaymentSucceeded, *PAYMENTS)
    land(local_lake, OrderPlaced, *ORDERS)
    land(local_lake, StockAdjusted, *STOCK)
    for name in ("payments", "orders", "stock"):
        refresh_events(local_lake, TOPICS[name], lambda: spark)

    payments = sorted(read(local_lake, "events/payments"), key=itemgetter("source_offset"))
    times = [str(payment["event_time"]) for payment in payments if payment["source_offset"] < 3]
    assert sorted(times) == [
        f"{DAY} 23:59:59.999000+00:00",
        "2026-11-28 10:00:00.123000+00:00",
        "2026-11-28 10:00:00.123000+00:00",
    ]
    ids = [payment["event_id"] for payment in payments if payment["source_offset"] in {3, 4}]
    assert ids == [UPPER_CASE.lower()]
    assert [payment["source_offset"] for payment in payments if payment["source_offset"] > 4] == [5, 6, 7]
    assert read(local_lake, "raw/payments", "value") == PAYMENTS

    # Of 1970, of last week, and of a clock that is four minutes ahead; the stock counts of now.
    assert sorted(read(local_lake, "events/orders", "source_offset")) == [0, 1, 2]
    assert sorted(read(local_lake, "events/stock", "source_offset")) == [0, 2]
    assert [validation.reason_of(problem) for problem in problems(local_lake)] == [
        *("out of range: event_time", "out of range: event_time", "invalid value: total_cents"),
        *("invalid value: discount_cents", "invalid value: total_cents"),
        *("invalid value: currency", "invalid value: currency"),
        "not JSON: Avro in a schema registry frame",
        "out of range: event_time",
    ]
    assert audit(local_lake) == "12 events, 9 records in quarantine, 1 duplicates"

    before = {name: read(local_lake, f"events/{name}") for name in ("payments", "orders")}
    for name, day in (("payments", DAY), ("payments", DAY + timedelta(days=1)), ("orders", date(1970, 1, 1))):
        rebuild.rebuild_events(local_lake, TOPICS[name], day, lambda: spark)
        assert read(local_lake, f"events/{name}") == before[name]


SPELLINGS = {
    "anna+shop@example.com": rb'"anna\u002Bshop@example.com"',
    "eu/4711": rb'"eu\/4711"',
    "anna": rb'"\u0061nn\u0061"',
    "zoé": '"zoe\u0301"'.encode(),
}


def test_erasure_finds_an_id_however_it_is_written(lake, spark):
    for customer, spelling in SPELLINGS.items():
        view = record(ProductViewed, customer_id=spelling)
        land(lake, ProductViewed, view, b"\0\0\0\0\x2a" + record(ProductViewed, customer_id=spelling))
        land(lake, ProductViewed, record(ProductViewed, customer_id=spelling, currency="eur"))
        land(lake, CartItemAdded, record(CartItemAdded, customer_id=spelling))
        order = record(
            OrderPlaced, customer_id=spelling, order_id=f"o-{len(customer)}", customer_name="Anna Probe"
        )
        land(lake, OrderPlaced, order)
    topics = ("views", "carts", "orders")
    for name in topics:
        refresh_events(lake, TOPICS[name], lambda: spark)
    for customer in SPELLINGS:
        assert erasure.erase_customer(lake, customer, why="asked", by="me")

    raw = [
        value
        for name in topics
        for row in read(lake, f"raw/{name}")
        for value in (row["value"], row["payload"], row["correction"])
        if value is not None
    ]
    personal = [*SPELLINGS.values(), *(customer.encode() for customer in SPELLINGS), b"Anna Probe"]
    assert [text for text in personal if any(text.strip(b'"') in value for value in raw)] == []
    day = date.fromisoformat(example_json(OrderPlaced)["event_time"][:10])
    for name in topics:
        rebuild.rebuild_events(lake, TOPICS[name], day, lambda: spark)
        ids = read(lake, f"events/{name}", "customer_id")
        assert len(ids) == {"views": 8, "carts": 4, "orders": 4}[name]
        assert len(set(ids)) == 4
        assert set(ids).isdisjoint(SPELLINGS)
    assert audit(lake) == "16 events, 4 records in quarantine, 0 duplicates"


def test_records_that_landed_before_a_rule_are_quarantined_and_their_events_removed(lake, spark, monkeypatch):
    values = [
        record(OrderPlaced),
        record(OrderPlaced, event_time="0001-01-01T00:00:00Z"),
        record(OrderPlaced, total_cents=1),
    ]
    with monkeypatch.context() as before_the_rules:
        before_the_rules.setattr(
            raw_encoding, "check_records", lambda *_: validation.CheckResult(None, None, NOW, NOW)
        )
        land(lake, OrderPlaced, *values)
    refresh_events(lake, TOPICS["orders"], lambda: spark)
    expected = [("orders", "invalid value: total_cents", 1), ("orders", "out of range: event_time", 1)]
    assert revalidation.revalidate(lake, None, why="", by="", dry_run=True) == expected
    assert len(read(lake, "events/orders")) == 3
    assert revalidation.revalidate(lake, None, why="new rules", by="me") == expected
    assert revalidation.revalidate(lake, None, why="new rules", by="me") == []
    assert len(read(lake, "events/orders")) == 1
    assert sorted(read(lake, "raw/orders", "value")) == sorted(values)
    assert audit(lake) == "1 events, 2 records in quarantine, 0 duplicates"
