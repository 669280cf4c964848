"""A few events each, and what the oracle makes of them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from shopnow.audit.kpi_oracle import KpiSettings, work_out
from shopnow.events import (
    SCHEMA_VERSION,
    CartItemAdded,
    Event,
    OrderItem,
    OrderPlaced,
    PaymentSucceeded,
    ProductViewed,
    StockAdjusted,
    StockRestocked,
    StockSold,
)
from shopnow.kpis import KPIS, Kpi
from support.lake_oracle import as_tables

numbers = count()


def at(day: int, hour: float = 12, month: int = 1) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC) + timedelta(hours=hour)


def made(kind: type[Event], time: datetime, **fields: Any) -> Any:
    return kind(event_id=f"{next(numbers):036}", event_time=time, schema_version=SCHEMA_VERSION, **fields)


def item(product: str = "p", quantity: int = 1, price: int = 100, category: str = "c") -> OrderItem:
    return OrderItem(
        product_id=product,
        product_name=product.upper(),
        category=category,
        quantity=quantity,
        unit_price_cents=price,
    )


def order(time: datetime, *items: OrderItem, **fields: Any) -> OrderPlaced:
    who = {
        "session_id": "s",
        "customer_id": "c",
        "customer_name": "n",
        "country": "FR",
        "address": "a",
        "order_id": "o",
    }
    what = {"discount_cents": 0, "total_cents": 0, "currency": "EUR"}
    return made(OrderPlaced, time, items=list(items or [item()]), **{**who, **what, **fields})


def payment(kind: type[Event], time: datetime, amount: int, **fields: Any) -> Event:
    common = {
        "payment_id": "p",
        "order_id": "o",
        "method": "card",
        "currency": "EUR",
        "attempt": 1,
        "amount_cents": amount,
    }
    return made(kind, time, **{**common, **({} if kind is PaymentSucceeded else {"reason": "r"}), **fields})


def paid(time: datetime, amount: int = 100, **fields: Any) -> Event:
    return payment(PaymentSucceeded, time, amount, **fields)


def parcel(
    kind: type[Event], time: datetime, promised: datetime, id_: str = "d", order_id: str = "o"
) -> Event:
    return made(
        kind, time, delivery_id=id_, order_id=order_id, address="a", promised_at=promised, progress=0.0
    )


def viewed(time: datetime, session: str = "s") -> Event:
    return made(
        ProductViewed,
        time,
        session_id=session,
        customer_id="c",
        product_id="p",
        category="c",
        unit_price_cents=1,
        currency="EUR",
    )


def added(time: datetime, session: str = "s") -> Event:
    return made(
        CartItemAdded,
        time,
        session_id=session,
        customer_id="c",
        product_id="p",
        quantity=1,
        unit_price_cents=1,
        currency="EUR",
    )


def stock(
    kind: type[Event], time: datetime, change: int, after: int, product: str = "p", name: str = "P"
) -> Event:
    more = {StockSold: {"order_id": "o"}, StockRestocked: {}, StockAdjusted: {"reason": "r"}}[kind]
    return made(
        kind,
        time,
        product_id=product,
        product_name=name,
        quantity_change=change,
        quantity_after=after,
        **more,
    )


def rows(kpi: str, happened: Iterable[Event], now: datetime = datetime(2027, 1, 1, tzinfo=UTC)) -> list[dict]:
    """The rows of a KPI table in order of their keys, with what they are made from worked out as well."""
    [wanted] = (each for each in KPIS if each.name == f"kpi/{kpi}")
    table = work_out(as_tables(happened), now, KpiSettings(0.975, 2.0), behind(wanted))[wanted.name]
    return table.sort_by([(column, "ascending") for column in wanted.key]).to_pylist()


def behind(kpi: Kpi) -> list[Kpi]:
    """It and all that it is made from, in order."""
    needed = {source.table for source in kpi.sources}
    return [*(each for found in KPIS if found.name in needed for each in behind(found)), kpi]


def some(found: list[dict], *columns: str) -> list[tuple]:
    return [tuple(row[column] for column in columns) for row in found]
