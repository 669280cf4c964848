"""The tables that Spark makes, and what they should hold, by a reckoning of their own."""

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa

from shopnow import kpis
from shopnow.events import TOPIC_OF, TOPICS, Event, OrderPlaced, PaymentRefunded, PaymentSucceeded, Stock, StockSold
from shopnow.lake import tables

DERIVED = [f"events/{topic}" for topic in TOPICS] + [kpi.name for kpi in kpis.KPIS]


def never():
    raise AssertionError("Spark was started for nothing")


def read(lake: str, name: str) -> pa.Table:
    return tables.read(tables.open_table(lake, name))


def content(lake: str, name: str) -> pa.Table:
    """The rows of a table in an order of their own, without what tells when and from what they were made."""
    table = read(lake, name).drop_columns(["raw_versions", "computed_at", "losses"])
    return table.sort_by([(column, "ascending") for column in table.column_names])


def versions(lake: str) -> dict[str, int]:
    return {name: tables.open_table(lake, name).version() for name in DERIVED}


def assert_true_to(lake: str, happened: Iterable[Event]) -> None:
    """The lake's events are these, once each, and its KPIs are theirs, by a reckoning of their own."""
    happened = list(happened)
    for topic in TOPICS:
        rows = read(lake, f"events/{topic}")
        expected = {event.event_id: event.event_time.date() for event in happened if TOPIC_OF[type(event)].name == topic}
        assert dict(zip(rows["event_id"].to_pylist(), rows["event_date"].to_pylist(), strict=True)) == expected
        assert len(rows) == len(expected)

    figures: dict[str, Counter] = {name: Counter() for name in ("orders", "units", "gmv_cents", "net_revenue_cents")}
    sold, on_hand = Counter(), {}
    for event in sorted(happened, key=lambda event: event.event_time):
        day = event.event_time.date()
        match event:
            case OrderPlaced():
                figures["orders"][day] += 1
                figures["units"][day] += sum(item.quantity for item in event.items)
                figures["gmv_cents"][day] += sum(item.quantity * item.unit_price_cents for item in event.items)
            case PaymentSucceeded():
                figures["net_revenue_cents"][day] += event.amount_cents
            case PaymentRefunded():
                figures["net_revenue_cents"][day] -= event.amount_cents
            case Stock():
                on_hand[event.product_id] = event.quantity_after
                sold[event.product_id] -= event.quantity_change if isinstance(event, StockSold) else 0
    for kpi in ("kpi/sales_daily", "kpi/sales_hourly"):
        rows = read(lake, kpi).to_pylist()
        for name, expected in figures.items():
            assert {day: sum(row[name] for row in rows if row["date"] == day) for day in expected} == expected
    top = read(lake, "kpi/top_products").to_pylist()
    assert sum(row["gmv_cents"] for row in top) == figures["gmv_cents"].total()
    stock = read(lake, "kpi/stock_position").to_pylist()
    assert {row["product_id"]: (row["quantity"], row["sold_units"], row["stock_out"]) for row in stock} == {
        product: (quantity, sold[product], quantity == 0) for product, quantity in on_hand.items()
    }
