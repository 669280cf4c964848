"""The page of an order: what was ordered, and its timeline from the order to the delivery."""

from datetime import datetime

from pydantic import BaseModel

from shopnow_tab_app.pages.orders import Order
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.response import PageResponse, as_of, missing
from shopnow_tab_app.pages.text_tables import TextTable
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.protocol import ReplicaState
from shopnow_tab_app.replica.tables import ORDERS_NOW, with_sources

TABLES = with_sources(ORDERS_NOW.table)


class Step(BaseModel):
    """An event of the order."""

    event_type: str
    event_time: datetime
    method: str | None
    """Payment method."""
    amount_cents: int | None
    currency: str | None
    attempt: int | None
    """Number of the payment attempt."""
    reason: str | None
    """Why a payment failed."""
    promised_at: datetime | None
    """Promised delivery time."""
    provisional: bool
    """From records that the lake does not have yet; proved figures do not contain it."""


class OrderPage(PageResponse):
    order: Order | None
    """Null if no order of this id is known."""
    customer_orders: int
    """Number of orders of its customer, this one included."""
    steps: list[Step]
    """In the order of their times."""


SHOWN = TextTable(
    "timeline",
    ("date", "event_type", "method", "amount", "attempt", "reason", "promised_at"),
    {"event_type": "event", "method": "payment_method"},
    "amount_cents",
)


def build(lake: LakeReplica, query: Query, state: ReplicaState) -> OrderPage:
    """Build the page of the order that `order_id` names."""
    parameters = {"id": query.choices.get("order_id") or ""}
    orders = lake.query(
        f"""
        SELECT {", ".join(Order.model_fields)}, count(*) OVER () AS customer_orders FROM {ORDERS_NOW.table}
        WHERE customer_id = (SELECT any_value(customer_id) FROM {ORDERS_NOW.table}
            WHERE key = hash($id::VARCHAR) AND order_id = $id)
        QUALIFY order_id = $id LIMIT 1
        """,  # noqa: S608  (names of our own)
        parameters,
    )
    return OrderPage(
        as_of=as_of(state),
        missing=missing(state),
        order=Order(**{name: orders[0][name] for name in Order.model_fields}) if orders else None,
        customer_orders=orders[0]["customer_orders"] if orders else 0,
        steps=[Step(**row) for row in lake.query(_STEPS, parameters)],
    )


_STEPS = """
    SELECT event_type, event_time, NULL AS method, total_cents AS amount_cents, currency, NULL AS attempt,
        NULL AS reason, NULL AS promised_at, provisional, 0 AS rank
    FROM "events/orders" WHERE key = hash($id::VARCHAR) AND order_id = $id
    UNION ALL
    SELECT 'payment_' || status, event_time, method, amount_cents, currency, attempt, reason, NULL,
        provisional, 1
    FROM "events/payments" WHERE key = hash($id::VARCHAR) AND order_id = $id
    UNION ALL
    SELECT (['delivery_created', 'delivery_in_transit', 'delivery_delivered'])[1 + stage], event_time, NULL,
        NULL, NULL, NULL, NULL, promised_at, provisional, 2 + stage
    FROM "events/deliveries" WHERE order_id = $id
    ORDER BY event_time, rank
"""
