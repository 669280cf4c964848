"""Records that the lake lacks are rows of the tab's tables, marked, until the lake has them: never twice."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from factories.events import event, order_item, unique_event_id
from shopnow.broker import topic_state
from shopnow.events import Event, OrderPlaced, PaymentSucceeded, encode
from shopnow.lake.ingest import small_landing
from shopnow.local_stack import supervision
from shopnow_tab_app.pages import dashboard, provisional_sales
from shopnow_tab_app.pages.period import Period
from shopnow_tab_app.pages.provisional_sales import COLUMNS
from shopnow_tab_app.replica import pending
from shopnow_tab_app.replica import replica as replica_module
from shopnow_tab_app.replica.server import ReplicaServer
from shopnow_tab_app.replica.tables import ORDERS_NOW, with_sources
from support.kafka_topics import send
from support.local_replica import local_replica

TIMEOUT_SECONDS = 60.0
NAMES = with_sources(ORDERS_NOW.table)


@pytest.fixture
def replica(conf: dict[str, str], lake: str, tmp_path: Path) -> Iterator[ReplicaServer]:
    with local_replica(lake, tmp_path, conf=conf) as replica:
        yield replica


def orders(replica: ReplicaServer) -> dict[str, dict[str, Any]]:
    """The rows of all orders by id; fails if there are two rows of one."""
    replica.state(NAMES)
    rows = replica.query("SELECT order_id, status::VARCHAR AS status, provisional FROM orders_now")
    assert [name for name, count in Counter(row["order_id"] for row in rows).items() if count > 1] == []
    return {row["order_id"]: row for row in rows}


def sales(replica: ReplicaServer) -> dict[str, int]:
    """The sales that are not in the KPI tables, as the dashboard adds them to its figures."""
    replica.state(dashboard.TABLES)
    always = Period(date(1970, 1, 1), date(2100, 1, 1))
    days, hours = (
        dict(provisional_sales.total(provisional_sales.read(replica, "EUR", always, resolution)))  # type: ignore[arg-type]
        for resolution in (provisional_sales.DAILY, provisional_sales.HOURLY)
    )
    return days if days == hours else {"orders": -1}  # one of the two tables is older for a moment


def wait_for(condition: Any) -> None:
    assert supervision.wait_until(condition, TIMEOUT_SECONDS, interval=0.05)


def place_order(conf: dict[str, str], order_id: str) -> None:
    """Send an order and its payment as another producer does, and a record that is no event."""
    items = {"items": [order_item(price=100)], "discount_cents": 0, "total_cents": 100}
    send(conf, "orders", [encode(new(OrderPlaced, order_id=order_id, **items)), b"no event"])
    pay(conf, order_id)


def pay(conf: dict[str, str], order_id: str) -> None:
    send(conf, "payments", [encode(new(PaymentSucceeded, order_id=order_id, amount_cents=100))])


def new(type_: type[Event], **fields: Any) -> Any:
    return event(type_, datetime.now(UTC), event_id=unique_event_id(), **fields)


def test_rows_are_provisional_until_the_lake_has_them(conf, lake, refresh, replica):
    wait_for(lambda: len(orders(replica)) > 0)
    place_order(conf, "foreign-1")
    wait_for(lambda: orders(replica).get("foreign-1", {}).get("status") == "paid")
    before = orders(replica)
    assert all(row["provisional"] for row in before.values())
    wait_for(lambda: sales(replica)["orders"] == len(before))

    small_landing.land(conf, lake, {})
    refresh(lake)
    wait_for(lambda: not any(row["provisional"] for row in orders(replica).values()))
    wait_for(lambda: not any(sales(replica).values()))
    proved = orders(replica)
    assert {name: row["status"] for name, row in proved.items()} == {
        name: row["status"] for name, row in before.items()
    }

    place_order(conf, "foreign-2")
    wait_for(lambda: orders(replica).get("foreign-2", {}).get("status") == "paid")
    after = orders(replica)
    assert after.pop("foreign-2")["provisional"]
    assert after == proved
    wait_for(lambda: sales(replica) == dict(zip(COLUMNS, (1, 1, 0, 100), strict=True)))
    # A payment of a proved order makes only that row provisional.
    pay(conf, "foreign-1")
    wait_for(lambda: orders(replica)["foreign-1"]["provisional"])
    wait_for(lambda: sales(replica) == dict(zip(COLUMNS, (1, 2, 0, 200), strict=True)))


def test_a_failed_read_of_the_lake_shows_no_row_twice(conf, lake, refresh, replica, monkeypatch):
    wait_for(lambda: len(orders(replica)) > 0)
    before = orders(replica).keys()
    read, failures = replica_module._read, [OSError("no answer")]

    def fail_once(*args: Any) -> Any:
        if failures:
            raise failures.pop()
        return read(*args)

    monkeypatch.setattr(replica_module, "_read", fail_once)
    small_landing.land(conf, lake, {})
    refresh(lake)
    wait_for(lambda: not any(row["provisional"] for row in orders(replica).values()))
    assert not failures
    assert orders(replica).keys() == before


def test_a_repeated_record_is_one_row_before_and_after_it_lands(conf, lake, refresh, replica):
    wait_for(lambda: len(orders(replica)) > 0)
    items = {"items": [order_item(price=100)], "discount_cents": 0, "total_cents": 100}
    order = encode(new(OrderPlaced, order_id="repeated", **items))
    send(conf, "orders", [order, order])
    wait_for(lambda: "repeated" in orders(replica))
    small_landing.land(conf, lake, {})
    refresh(lake)
    wait_for(lambda: not orders(replica)["repeated"]["provisional"])
    send(conf, "orders", [order])
    place_order(conf, "after-repeated")
    wait_for(lambda: "after-repeated" in orders(replica))
    assert not orders(replica)["repeated"]["provisional"]


def test_each_change_makes_another_version(conf, lake, replica):
    wait_for(lambda: len(orders(replica)) > 0)
    versions = replica.state(NAMES).versions
    place_order(conf, "foreign-3")
    wait_for(lambda: "foreign-3" in orders(replica))
    later = replica.state(NAMES).versions
    assert later["events/orders"] != versions["events/orders"]
    assert later["orders_now"] != versions["orders_now"]


def test_no_more_rows_than_the_limit_are_added(conf, lake, tmp_path, monkeypatch):
    monkeypatch.setattr(pending, "MAX_ROWS", 9)
    with local_replica(lake, tmp_path, conf=conf) as replica:
        wait_for(lambda: len(orders(replica)) > 0)
        place_order(conf, "foreign-4")  # the newest are read, and then no more
        assert sum(topic_state.describe(conf, ["orders"])["orders"].end_offsets.values()) > 9
        rows = replica.query('SELECT count(*) AS rows FROM "events/orders"')
        assert 0 < rows[0]["rows"] <= 9


def test_an_unreachable_kafka_leaves_the_rows_of_the_lake(lake, conf, refresh, tmp_path, nowhere):
    small_landing.land(conf, lake, {})
    refresh(lake)
    with local_replica(lake, tmp_path, conf=nowhere) as replica:
        wait_for(lambda: len(orders(replica)) > 0)
        assert replica.state(NAMES).error is None
        assert not any(row["provisional"] for row in orders(replica).values())
