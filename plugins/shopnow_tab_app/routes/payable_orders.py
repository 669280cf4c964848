"""Which orders can be paid: those that are in the lake or on their topic, and not paid or cancelled yet."""

import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from fastapi import HTTPException

from shopnow.errors import UserError
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.tables import ORDERS_NOW, with_sources
from shopnow_tab_app.routes.request_id import uuid7_time

TABLES = with_sources(ORDERS_NOW.table)
RECENT = timedelta(minutes=1)
"""An order of the pages that is younger may still be on its way from its topic."""
ARRIVAL_SECONDS = 5.0
"""How long such an order is waited for."""
POLL_SECONDS = 0.05


class PayableOrder(NamedTuple):
    total_cents: int
    currency: str
    attempts: int
    """Number of earlier payment attempts."""


def find(lake: LakeReplica, order_id: str, payment_id: str, at: datetime) -> PayableOrder:
    """Return an order that can be paid.

    Args:
        lake: replica of the lake.
        order_id: id of the order.
        payment_id: id of the payment, which does not count itself if its request is repeated.
        at: time of the payment.

    Raises:
        HTTPException: there is no such order, or it is paid or cancelled.
        UserError: the orders are not known yet.
    """
    deadline = time.monotonic() + (ARRIVAL_SECONDS if _is_recent(order_id) else 0)
    while True:
        state = lake.state(TABLES)
        if state.unread:
            raise UserError(state.error or "the first read of the lake is in progress; try again in a moment")
        rows = lake.query(_ORDER, {"id": order_id, "payment": payment_id, "at": at})
        if rows:
            break
        if time.monotonic() > deadline:
            raise HTTPException(422, f"there is no order {order_id!r}; the page Orders has all of them")
        time.sleep(POLL_SECONDS)
    order = rows[0]
    if order["cancelled"]:
        raise HTTPException(422, f"order {order_id!r} is cancelled")
    if order["paid"]:
        raise HTTPException(422, f"order {order_id!r} is paid already")
    return PayableOrder(order["total_cents"], order["currency"], order["attempts"])


def _is_recent(order_id: str) -> bool:
    """Return whether the order was placed by the pages lately: its id has the time."""
    placed_at = uuid7_time(order_id.removeprefix("o-"))
    return placed_at is not None and datetime.now(UTC) - placed_at < RECENT


_ORDER = f"""
    SELECT total_cents, currency, status = 'cancelled' AS cancelled,
        EXISTS (
            FROM "events/payments" AS payment WHERE payment.key = orders.key AND payment.order_id = $id
                AND payment.status IN ('succeeded', 'refunded') AND payment_id <> $payment
        ) AS paid,
        (
            SELECT count(*) FROM "events/payments" AS payment WHERE payment.key = orders.key
                AND payment.order_id = $id AND payment.event_time < $at AND payment_id <> $payment
        ) AS attempts
    FROM {ORDERS_NOW.table} AS orders WHERE key = hash($id::VARCHAR) AND order_id = $id
"""  # noqa: S608  (a name of our own)
