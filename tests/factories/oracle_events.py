"""Events for the tests of the KPI oracle, whose expected figures are worked out by hand.

Unlike `events.event` they have one-letter ids and round amounts by default, so that events of one order,
session or product belong together without naming it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from factories.events import event, order_item
from shopnow.audit.kpi_oracle import KpiSettings, compute_kpis
from shopnow.events import (
    CartItemAdded,
    Event,
    OrderItem,
    OrderPlaced,
    PaymentSucceeded,
    ProductViewed,
)
from shopnow.kpis import KPIS, Kpi
from support.lake_oracle import events_tables


def at(day: int, hour: float = 12, month: int = 1) -> datetime:
    """Return a time of 2026."""
    return datetime(2026, month, day, tzinfo=UTC) + timedelta(hours=hour)


def order(time: datetime, *items: OrderItem, **fields: Any) -> OrderPlaced:
    """Return an order of `items`, or of one unit at 100 cents."""
    defaults = {"order_id": "o", "session_id": "s", "customer_id": "c", "country": "FR"}
    amounts = {"discount_cents": 0, "total_cents": 0, "currency": "EUR"}
    return event(OrderPlaced, time, items=list(items or [order_item()]), **{**defaults, **amounts, **fields})


def payment(type_: type[Event], time: datetime, amount: int, **fields: Any) -> Event:
    """Return a payment event of an amount in cents."""
    return event(
        type_, time, amount_cents=amount, **{"order_id": "o", "method": "card", "attempt": 1, **fields}
    )


def paid(time: datetime, amount: int = 100, **fields: Any) -> Event:
    """Return a successful payment."""
    return payment(PaymentSucceeded, time, amount, **fields)


def delivery(
    type_: type[Event], time: datetime, promised: datetime, id_: str = "d", order_id: str = "o"
) -> Event:
    """Return a delivery event."""
    return event(type_, time, delivery_id=id_, order_id=order_id, promised_at=promised)


def product_viewed(time: datetime, session: str = "s") -> Event:
    return event(ProductViewed, time, session_id=session)


def cart_item_added(time: datetime, session: str = "s") -> Event:
    return event(CartItemAdded, time, session_id=session)


def stock(
    type_: type[Event], time: datetime, change: int, after: int, product: str = "p", name: str = "P"
) -> Event:
    """Return a stock event that changes the quantity by `change` to `after`."""
    return event(
        type_, time, product_id=product, product_name=name, quantity_change=change, quantity_after=after
    )


def rows(kpi: str, events: Iterable[Event], now: datetime = datetime(2027, 1, 1, tzinfo=UTC)) -> list[dict]:
    """Compute the rows of `kpi/{kpi}` and of its source KPIs by the oracle; returns the rows in key order."""
    definition = next(definition for definition in KPIS if definition.name == f"kpi/{kpi}")
    tables = compute_kpis(events_tables(events), now, KpiSettings(0.975, 2.0), with_sources(definition))
    return (
        tables[definition.name]
        .sort_by([(column, "ascending") for column in definition.key_columns])
        .to_pylist()
    )


def with_sources(kpi: Kpi) -> list[Kpi]:
    """Return the KPIs that a KPI is computed from, in order of computation, and the KPI itself last."""
    sources = {source.table for source in kpi.sources}
    return [*(kpi_ for source in KPIS if source.name in sources for kpi_ in with_sources(source)), kpi]


def select(rows: list[dict], *columns: str) -> list[tuple]:
    return [tuple(row[column] for column in columns) for row in rows]
