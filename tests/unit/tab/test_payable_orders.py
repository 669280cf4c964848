"""Only orders that exist, and are neither paid nor cancelled, can be paid on the pages."""

import time
from datetime import UTC, datetime

import pytest
from fastapi import HTTPException

from factories.sample_lake import NOW
from shopnow.ids import uuid7
from shopnow_tab_app.pages import orders
from shopnow_tab_app.replica.server import ReplicaServer
from shopnow_tab_app.routes import payable_orders


def order_of(lake: ReplicaServer, status: str) -> str:
    """Return the id of an order with this status."""
    while lake.state(orders.TABLES).unread:
        pass
    return lake.query("SELECT order_id FROM orders_now WHERE status = ? LIMIT 1", [status])[0]["order_id"]


def test_failed_order_is_paid_in_full_as_the_next_attempt(lake: ReplicaServer) -> None:
    order = order_of(lake, "failed")
    [row] = lake.query("SELECT total_cents, currency FROM orders_now WHERE order_id = ?", [order])
    assert payable_orders.find(lake, order, "pay-2", NOW) == (row["total_cents"], row["currency"], 1)


@pytest.mark.parametrize("status", ["paid", "in_transit", "delivered"])
def test_order_is_not_paid_twice(lake: ReplicaServer, status: str) -> None:
    order = order_of(lake, status)
    with pytest.raises(HTTPException, match="is paid already"):
        payable_orders.find(lake, order, "pay-2", NOW)


def test_repeated_request_does_not_count_itself(lake: ReplicaServer) -> None:
    order = order_of(lake, "paid")
    [payment] = lake.query('SELECT payment_id FROM "events/payments" WHERE order_id = ?', [order])
    assert payable_orders.find(lake, order, payment["payment_id"], NOW).attempts == 0


def test_unknown_order_is_named_and_only_a_new_one_of_the_pages_is_waited_for(
    lake: ReplicaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_of(lake, "paid")
    polls: list[float] = []
    monkeypatch.setattr(payable_orders, "ARRIVAL_SECONDS", 0.3)
    monkeypatch.setattr(payable_orders.time, "sleep", polls.append)
    for order in ("o-1", f"o-{uuid7(0, '0123456789abcdef' * 2)}"):
        with pytest.raises(HTTPException, match=f"there is no order '{order}'"):
            payable_orders.find(lake, order, "pay-2", NOW)
    assert not polls
    placed_now = f"o-{uuid7(round(datetime.now(UTC).timestamp() * 1000), '0123456789abcdef' * 2)}"
    started = time.monotonic()
    with pytest.raises(HTTPException, match="there is no order"):
        payable_orders.find(lake, placed_now, "pay-2", NOW)
    assert polls
    assert time.monotonic() - started >= 0.3
