"""Records of several schema versions in one topic, from landing to the events tables."""

import json

import pyarrow as pa
import pytest

from factories import raw_tables
from shopnow import schemas
from shopnow.events import SCHEMA_VERSION, TOPICS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table

ORDERS, DELIVERIES = TOPICS["orders"], TOPICS["deliveries"]
ITEM = {"product_id": "p", "product_name": "n", "category": "c", "quantity": 1, "unit_price_cents": 100}


def order(number: int, version: int = 1, without: str = "", **changes: object) -> bytes:
    """Return an order as JSON, which can lack a field or have invalid values."""
    event = {
        "event_type": "order_placed",
        "event_id": f"0199d3f0-1111-7abc-8def-{number:012}",
        "event_time": "2026-11-22T07:56:00Z",
        "schema_version": version,
        **{
            "order_id": f"o{number}",
            "session_id": "s",
            "customer_id": "c",
            "customer_name": "n",
            "country": "FR",
            "items": [ITEM],
        },
        **{"discount_cents": 0, "total_cents": 100, "currency": "EUR", "address": "a"},
    }
    return json.dumps({name: value for name, value in (event | changes).items() if name != without}).encode()


def delivery(number: int, progress: str) -> bytes:
    """Return a delivery as JSON, with the progress spelled as `progress`."""
    event = {
        "event_type": "delivery_created",
        "event_id": f"0199d3f0-2222-7abc-8def-{number:012}",
        "event_time": "2026-11-22T07:56:00Z",
    }
    fields = {
        "delivery_id": "d",
        "order_id": "o",
        "address": "a",
        "promised_at": "2026-11-23T07:56:00Z",
        "progress": 0.25,
    }
    return json.dumps({**event, **fields, "schema_version": 1}).replace("0.25", progress).encode()


def rows(lake: str, name: str) -> list[dict]:
    return sorted(
        tables.read(Table(lake, name).open()).to_pylist(),
        key=lambda row: row.get("offset", row.get("source_offset")),
    )


def without_coupon(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field for field in schema if field.name != "coupon"])


@pytest.fixture
def lake_of_version_1(local_lake: str) -> str:
    """A lake whose events table was created before the optional field existed."""
    Table(local_lake, "events/orders").ensure(without_coupon(schemas.events(ORDERS)), ["event_date"])
    return local_lake


def test_compatible_records_evolve_the_tables_and_others_are_quarantined(lake_of_version_1, refresh):
    lake = lake_of_version_1
    expected = {
        order(1): (None, None),
        order(2, 2, coupon="WELCOME10"): (None, "WELCOME10"),
        order(3, 2): (None, None),
        order(4, 2, coupon=None): (None, None),
        order(5, 2, gift={"wrapped": True}): (None, None),
        order(6, SCHEMA_VERSION + 1): (
            f"invalid value: schema_version (at most {SCHEMA_VERSION}, has {SCHEMA_VERSION + 1})",
            None,
        ),
        order(7, without="address"): ("missing field: address", None),
        order(8, total_cents=12.0): ("wrong type: total_cents (expected int, got float)", None),
        order(9, total_cents="12"): ("wrong type: total_cents (expected int, got str)", None),
        order(10, total_cents=2**63): (
            "invalid value: total_cents (at most 1000000000000, has 9223372036854775808)",
            None,
        ),
        order(11, items={}): ("wrong type: items (expected array, got object)", None),
        order(12, 1): (None, None),
        order(13, 2, coupon="C"): (None, "C"),
    }
    numbers = {"1": 1.0, "0": 0.0, "1e0": 1.0, "5e-1": 0.5, "0." + "3" * 900: 1 / 3, "1E-400": 0.0}
    raw_tables.land_records(lake, ORDERS, list(expected))
    raw_tables.land_records(lake, DELIVERIES, [delivery(number, text) for number, text in enumerate(numbers)])
    refresh(lake)

    raw = rows(lake, "raw/orders")
    assert [(row["value"], row["problem"]) for row in raw] == [
        (value, problem) for value, (problem, _) in expected.items()
    ]
    # Alternating versions are written to one file, like any other batch.
    assert [len(Table(lake, name).open().file_uris()) for name in ("raw/orders", "events/orders")] == [
        1,
        1,
    ]
    valid = [
        (json.loads(value)["event_id"], coupon)
        for value, (problem, coupon) in expected.items()
        if not problem
    ]
    assert [(row["event_id"], row["coupon"]) for row in rows(lake, "events/orders")] == valid
    assert [row["progress"] for row in rows(lake, "events/deliveries")] == list(numbers.values())
    [day] = tables.read(Table(lake, "kpi/top_products").open()).to_pylist()
    assert day["orders"] == len(valid)
