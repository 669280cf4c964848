from datetime import datetime
from itertools import count

import pytest

from shopnow.events import (
    OrderCancelled,
    OrderItem,
    OrderPlaced,
    PaymentFailed,
    PaymentRefunded,
    PaymentSucceeded,
    StockAdjusted,
    StockRestocked,
    StockSold,
)
from shopnow_spark.kpis import sales, stock as stock_kpis

numbers = count()


def common(time: str) -> dict:
    return {"event_id": f"0199d3f0-1111-7abc-8def-{next(numbers):012}", "event_time": datetime.fromisoformat(time), "schema_version": 1}


def order(time: str, *items: tuple[str, int, int], discount: int = 0, currency: str = "EUR", names: str = "") -> OrderPlaced:
    lines = [
        OrderItem(product_id=id_, product_name=f"{id_}{names}", category="c", quantity=quantity, unit_price_cents=price)
        for id_, quantity, price in items
    ]
    return OrderPlaced(
        **common(time),
        order_id=f"o{next(numbers)}",
        session_id="s",
        customer_id="c",
        customer_name="n",
        country="FR",
        items=lines,
        discount_cents=discount,
        total_cents=0,
        currency=currency,
        address="a",
    )


def payment(type_, time: str, amount: int, currency: str = "EUR", **more: str):
    return type_(**common(time), payment_id="p", order_id="o", method="card", amount_cents=amount, currency=currency, attempt=1, **more)


def stock(type_, time: str, product: str, change: int, after: int, **more: str):
    return type_(
        **common(time), product_id=product, product_name=f"{product} at {after}", quantity_change=change, quantity_after=after, **more
    )


def rows(frame, *columns: str) -> list[tuple]:
    return sorted(tuple(row[column] for column in columns) for row in frame.collect())


FIGURES = (
    "orders",
    "units",
    "gmv_cents",
    "discount_cents",
    "payments_succeeded",
    "payments_failed",
    "paid_cents",
    "refunds",
    "refunds_cents",
)


@pytest.fixture
def orders(events_of):
    return events_of(
        "orders",
        order("2026-11-02T23:59:59.999Z", ("a", 2, 1000), ("b", 1, 500), discount=100),
        order("2026-11-03T00:00:00.000Z", ("a", 1, 1000)),
        order("2026-11-03T01:30:00+02:00", ("b", 3, 500)),  # the day before, in UTC
        OrderCancelled(**common("2026-11-03T09:00:00Z"), order_id="o", reason="r"),
    )


@pytest.fixture
def payments(events_of):
    return events_of(
        "payments",
        payment(PaymentFailed, "2026-11-02T23:10:00Z", 2400, reason="r"),
        payment(PaymentSucceeded, "2026-11-02T23:59:59.999Z", 2400),
        payment(PaymentRefunded, "2026-11-03T00:10:00Z", 900, reason="r"),
        payment(PaymentRefunded, "2026-11-03T00:20:00Z", 100, reason="r"),
    )


def test_sales_count_each_event_in_its_own_day_and_once(orders, payments):
    daily = kpis.sales_daily(orders, payments)
    assert rows(daily.withColumn("date", daily["date"].cast("string")), "date", "currency", *FIGURES, "net_revenue_cents") == [
        ("2026-11-02", "EUR", 2, 6, 4000, 100, 1, 1, 2400, 0, 0, 2400),
        ("2026-11-03", "EUR", 1, 1, 1000, 0, 0, 0, 0, 2, 1000, -1000),
    ]


def test_hours_add_up_to_days(orders, payments):
    hourly = kpis.sales_hourly(orders, payments)
    hours = rows(hourly.withColumn("hour", hourly["hour"].cast("string")), "hour", *FIGURES)
    assert [hour[0] for hour in hours] == ["2026-11-02 23:00:00", "2026-11-03 00:00:00"]
    assert [hour[1:] for hour in hours] == [(2, 6, 4000, 100, 1, 1, 2400, 0, 0), (1, 1, 1000, 0, 0, 0, 0, 2, 1000)]


def test_currencies_are_kept_apart(events_of):
    placed = events_of("orders", order("2026-11-02T10:00:00Z", ("a", 1, 10)), order("2026-11-02T10:00:00Z", ("a", 1, 7), currency="USD"))
    paid = events_of("payments", payment(PaymentSucceeded, "2026-11-02T10:00:00Z", 7, currency="USD"))
    assert rows(kpis.sales_daily(placed, paid), "currency", "gmv_cents", "paid_cents") == [("EUR", 10, 0), ("USD", 7, 7)]


def test_sums_beyond_64_bits_stop_at_the_highest_number(events_of):
    line = ("a", 10**6, 10**12)
    placed = events_of("orders", order("2026-11-02T10:00:00Z", *[line] * 12))
    assert rows(kpis.sales_daily(placed, events_of("payments")), "gmv_cents", "paid_cents") == [(2**63 - 1, 0)]
    assert rows(kpis.top_products(placed), "gmv_cents", "units") == [(2**63 - 1, 12 * 10**6)]


def test_no_events_make_no_rows(events_of):
    assert kpis.sales_daily(events_of("orders"), events_of("payments")).count() == 0
    assert kpis.top_products(events_of("orders")).count() == 0
    assert kpis.stock_position(None, events_of("stock")).count() == 0


def test_top_products_are_ranked_within_their_day(events_of):
    placed = events_of(
        "orders",
        order("2026-11-02T10:00:00Z", ("a", 1, 300), ("b", 1, 500), ("b", 1, 500), names=" new"),
        order("2026-11-02T09:00:00Z", ("a", 2, 350), ("c", 1, 1000), names=" old"),
        order("2026-11-03T09:00:00Z", ("c", 1, 1)),
    )
    top = kpis.top_products(placed)
    assert rows(top.withColumn("date", top["date"].cast("string")), "date", "rank", "product_name", "orders", "units", "gmv_cents") == [
        ("2026-11-02", 1, "a new", 2, 3, 1000),
        ("2026-11-02", 2, "b new", 1, 2, 1000),
        ("2026-11-02", 3, "c old", 1, 1, 1000),
        ("2026-11-03", 1, "c", 1, 1, 1),
    ]


POSITION = ("product_id", "product_name", "quantity", "sold_units", "last_offset", "stock_out")


def test_stock_position_is_the_same_whichever_way_the_events_come(events_of):
    everything = events_of(
        "stock",
        stock(StockAdjusted, "2026-11-02T08:00:00Z", "a", 5, 5, reason="opening"),
        stock(StockAdjusted, "2026-11-02T08:00:00Z", "b", 3, 3, reason="opening"),
        stock(StockSold, "2026-11-02T11:00:00Z", "a", -4, 0, order_id="o"),
        stock(StockSold, "2026-11-02T10:00:00Z", "a", -1, 4, order_id="o"),  # came late
        stock(StockRestocked, "2026-11-02T12:00:00Z", "b", 1, 4),
        stock(StockSold, "2026-11-02T12:00:00Z", "b", -2, 2, order_id="o"),  # at the same time: the offset decides
    )
    expected = [("a", "a at 0", 0, 5, 2, True), ("b", "b at 2", 2, 2, 5, False)]
    assert rows(kpis.stock_position(None, everything), *POSITION) == expected
    for split in range(7):
        before, after = everything.where(f"source_offset < {split}"), everything.where(f"source_offset >= {split}")
        assert rows(kpis.stock_position(kpis.stock_position(None, before), after), *POSITION) == expected
        assert rows(kpis.stock_position(kpis.stock_position(None, after), before), *POSITION) == expected
