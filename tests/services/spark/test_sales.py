import time

import pytest
from pyspark.sql import DataFrame

from factories.events import event, order_item
from shopnow.events import (
    MAX_ITEMS,
    TOPIC_OF,
    Event,
    OrderCancelled,
    OrderItem,
    OrderPlaced,
    PaymentFailed,
    PaymentRefunded,
    PaymentSucceeded,
)
from shopnow_spark.kpis import sales
from support import scenarios
from support.frames import rows
from support.scenarios import select

FIGURES = (
    *("orders", "units", "gmv_cents", "discount_cents"),
    *("payments_succeeded", "payments_failed", "paid_cents", "refunds", "refunds_cents"),
)
HIGHEST = 2**63 - 1


def placed(time: str, *items: OrderItem, **fields) -> Event:
    return event(OrderPlaced, time, items=list(items), **fields)


def placed_cheaply(discount_cents: int) -> Event:
    return placed("2026-11-02T10:00:00Z", order_item("a", 1, 5), discount_cents=discount_cents)


TWO_DAYS = [
    placed(
        "2026-11-02T23:59:59.999Z",
        order_item("a", 2, 1000),
        order_item("b", 1, 500),
        discount_cents=100,
    ),
    placed("2026-11-03T00:00:00.000Z", order_item("a", 1, 1000), discount_cents=0),
    placed("2026-11-03T01:30:00+02:00", order_item("b", 3, 500), discount_cents=1),  # the day before, in UTC
    event(OrderCancelled, "2026-11-03T09:00:00Z"),
    event(PaymentFailed, "2026-11-02T23:10:00Z", amount_cents=2400),
    event(PaymentSucceeded, "2026-11-02T23:59:59.999Z", amount_cents=2400),
    event(PaymentRefunded, "2026-11-03T00:10:00Z", amount_cents=900),
    event(PaymentRefunded, "2026-11-03T00:20:00Z", amount_cents=100),
]
PAYMENT_DAYS = ("2026-10-30", "2026-10-31", "2026-11-15", "2026-11-16", "2026-11-17", "2026-11-19")
SALES = {
    "two days": TWO_DAYS,
    **{
        f"discounts {discounts}": [placed_cheaply(discount) for discount in discounts]
        for discounts in ((0,), (0, 1), (0, 1, 1), (8,), (5, 6), (6, 7))
    },
    "no orders": [event(PaymentFailed, "2026-11-02T10:00:00Z")],
    "two currencies": [
        placed("2026-11-02T10:00:00Z", order_item("a", 1, 10)),
        placed("2026-11-02T10:00:00Z", order_item("a", 1, 7), currency="USD"),
        event(PaymentSucceeded, "2026-11-02T10:00:00Z", amount_cents=7, currency="USD"),
    ],
    "beyond 64 bits": [
        placed("2026-11-02T10:00:00Z", *[order_item("a", 10**6, 10**12)] * 12, discount_cents=10**12),
        event(PaymentSucceeded, "2026-11-02T10:00:00Z", amount_cents=10**12),
    ],
    "several orders of one id": [
        event(OrderPlaced, "2026-11-01T23:59:59.999Z", order_id="o", country="DE"),
        event(OrderPlaced, "2026-11-02T10:00:00Z", order_id="o", country="FR"),
        # At the same time: the event_id decides.
        event(OrderPlaced, "2026-11-02T10:00:00Z", order_id="o", country="IT"),
        event(OrderPlaced, "2026-11-20T10:00:00Z", order_id="o", country="ES"),
        *(event(PaymentSucceeded, f"{day}T09:00:00Z", order_id="o", amount_cents=1) for day in PAYMENT_DAYS),
    ],
    "repeated order": [
        *(
            event(OrderPlaced, "2026-11-02T10:00:00Z", order_id="o", currency=currency)
            for currency in ("EUR", "USD")
        ),
        event(PaymentSucceeded, "2026-11-02T10:00:00Z", order_id="o", amount_cents=5),
    ],
    "three categories": [
        placed(
            "2026-11-02T10:00:00Z",
            order_item("x", 1, 100, "c"),
            order_item("y", 1, 60, "a"),
            order_item("z", 1, 100, "b"),
            order_item("y", 1, 40, "a"),
            order_id="o",
            discount_cents=100,
        ),
        event(PaymentSucceeded, "2026-11-02T10:00:00Z", order_id="o", amount_cents=200),
        event(PaymentRefunded, "2026-11-02T11:00:00Z", order_id="o", amount_cents=2),
        event(PaymentFailed, "2026-11-02T09:00:00Z", order_id="o", amount_cents=200),
    ],
    "worth nothing": [
        placed(
            "2026-11-02T10:00:00Z",
            order_item("x", 3, 0, "a"),
            order_item("y", 1, 0, "b"),
            order_id="o",
            discount_cents=0,
        ),
        event(PaymentSucceeded, "2026-11-02T10:00:00Z", order_id="o", amount_cents=10),
    ],
    "refund without order": [event(PaymentRefunded, "2026-11-02T10:00:00Z", amount_cents=10)],
    "ranked": [
        placed(
            "2026-11-02T10:00:00Z",
            *(order_item("a", 1, 300, name="a new"), order_item("b", 1, 500), order_item("b", 2, 250)),
        ),
        placed("2026-11-02T09:00:00Z", order_item("a", 2, 350, name="a old"), order_item("c", 1, 1000)),
        placed("2026-11-03T09:00:00Z", order_item("c", 1, 1)),
    ],
    "ranks change": [
        placed("2026-11-02T10:00:00Z", order_item("a", 1, 300), order_item("b", 2, 100)),
        placed(
            "2026-11-03T10:00:00Z",
            *(order_item("b", 1, 300), order_item("a", 2, 100), order_item("c", 1, 1)),
        ),
        placed("2026-11-05T10:00:00Z", order_item("a", 1, 1)),
    ],
}
"""Events of independent scenarios, over all of which each KPI is computed once."""


@pytest.fixture(scope="module")
def frames(events_of) -> tuple[DataFrame, DataFrame]:
    """The orders and the payments of all scenarios."""
    moved = scenarios.move(SALES.values())
    orders, payments = (
        [moved_event for moved_event in moved if TOPIC_OF[type(moved_event)].name == topic]
        for topic in ("orders", "payments")
    )
    return events_of("orders", *orders), events_of("payments", *payments)


@pytest.fixture(scope="module")
def daily(frames):
    return scenarios.rows_by_scenario(sales.sales_daily(*frames), SALES)


@pytest.fixture(scope="module")
def by_category(frames):
    orders, payments = frames
    return scenarios.rows_by_scenario(sales.sales_by_category(payments, orders), SALES)


@pytest.fixture(scope="module")
def by_country(frames):
    orders, payments = frames
    return scenarios.rows_by_scenario(sales.sales_by_country(payments, orders), SALES)


@pytest.fixture(scope="module")
def products(frames):
    orders, _ = frames
    return scenarios.rows_by_scenario(sales.top_products(orders), SALES)


def test_sales_count_each_event_once_on_its_own_day(daily):
    assert select(daily["two days"], "date", "currency", *FIGURES, "net_revenue_cents") == [
        ("2026-11-02", "EUR", 2, 6, 4000, 101, 1, 1, 2400, 0, 0, 2400),
        ("2026-11-03", "EUR", 1, 1, 1000, 0, 0, 0, 0, 2, 1000, -1000),
    ]


def test_hours_add_up_to_days(frames):
    orders, payments = (frame.where("event_date < '2026-11-04'") for frame in frames)
    assert rows(sales.sales_hourly(orders, payments), "hour", *FIGURES) == [
        ("2026-11-02 23:00:00", 2, 6, 4000, 101, 1, 1, 2400, 0, 0),
        ("2026-11-03 00:00:00", 1, 1, 1000, 0, 0, 0, 0, 2, 1000),
    ]


@pytest.mark.parametrize(
    ("discounts", "average"),
    [
        ((0,), 5),
        ((0, 1), 5),
        ((0, 1, 1), 4),
        ((8,), -3),
        ((5, 6), 0),
        ((6, 7), -1),
    ],  # of 5 cents each; 4.5, 4.33, -0.5 and -1.5
)
def test_average_order_rounds_halves_up(daily, discounts, average):
    assert select(daily[f"discounts {discounts}"], "average_order_cents") == [(average,)]


def test_without_orders_there_is_no_average(daily):
    assert select(daily["no orders"], "orders", "average_order_cents") == [(0, None)]


def test_currencies_are_separate(daily):
    assert select(daily["two currencies"], "currency", "gmv_cents", "paid_cents") == [
        ("EUR", 10, 0),
        ("USD", 7, 7),
    ]


def test_sums_beyond_64_bits_are_clamped(daily, by_category, products):
    name = "beyond 64 bits"
    assert select(daily[name], "gmv_cents", "average_order_cents") == [(HIGHEST, HIGHEST - 10**12)]
    assert select(products[name], "gmv_cents", "units") == [(HIGHEST, 12 * 10**6)]
    assert select(by_category[name], "gmv_cents", "paid_cents") == [(HIGHEST, 10**12)]


def test_no_events_make_no_rows(events_of):
    orders, payments = events_of("orders"), events_of("payments")
    assert sales.sales_daily(orders, payments).count() == 0
    assert sales.sales_by_country(payments, orders).count() == 0
    assert sales.sales_by_category(payments, orders).count() == 0
    assert sales.top_products(orders).count() == 0


def test_a_payment_gets_the_country_of_the_first_order_around_its_date(by_country):
    paid = [row for row in by_country["several orders of one id"] if row["paid_cents"] > 0]
    countries = ("unknown", "DE", "DE", "FR", "unknown", "ES")
    assert select(paid, "date", "country", "paid_cents") == list(
        zip(PAYMENT_DAYS, countries, [1] * 6, strict=True)
    )


def test_a_repeated_order_does_not_multiply_payments(by_country, by_category):
    for kpi in (by_country, by_category):
        assert select(kpi["repeated order"], "currency", "orders", "paid_cents") == [
            ("EUR", 1, 5),
            ("USD", 1, 0),
        ]


def test_discount_payment_and_refund_are_split_by_category_to_the_cent(by_category):
    columns = (
        *("category", "orders", "units", "gmv_cents", "discount_cents"),
        *("paid_cents", "refunds_cents", "net_revenue_cents"),
    )
    assert select(by_category["three categories"], *columns) == [
        ("a", 1, 2, 100, 33, 66, 0, 66),
        ("b", 1, 1, 100, 33, 67, 1, 66),
        ("c", 1, 1, 100, 34, 67, 1, 66),
    ]


def test_an_order_worth_nothing_is_split_by_units(by_category):
    assert select(by_category["worth nothing"], "category", "paid_cents") == [("a", 7), ("b", 3)]


def test_the_category_of_a_payment_without_an_order_is_unknown(by_category):
    columns = ("category", "units", "gmv_cents", "net_revenue_cents", "average_order_cents")
    assert select(by_category["refund without order"], *columns) == [("unknown", 0, 0, -10, None)]


def test_top_products_are_ranked_within_their_day(products):
    columns = ("date", "rank", "units_rank", "product_name", "orders", "units", "gmv_cents")
    assert select(products["ranked"], *columns) == [
        ("2026-11-02", 1, 1, "a new", 2, 3, 1000),
        ("2026-11-02", 2, 2, "B", 1, 3, 1000),
        ("2026-11-02", 3, 3, "C", 1, 1, 1000),
        ("2026-11-03", 1, 1, "C", 1, 1, 1),
    ]


def test_rank_changes_are_relative_to_the_day_before(products):
    later = [row for row in products["ranks change"] if row["date"] > "2026-11-02"]
    columns = ("date", "product_id", "rank", "rank_change", "units_rank", "units_rank_change")
    assert select(later, *columns) == [
        ("2026-11-03", "a", 2, -1, 1, 1),
        ("2026-11-03", "b", 1, 1, 2, -1),
        ("2026-11-03", "c", 3, None, 3, None),
        ("2026-11-05", "a", 1, None, 1, None),
    ]


def test_an_order_of_the_most_lines_has_a_bounded_cost(events_of):
    lines = [order_item(f"p{number}") for number in range(MAX_ITEMS)]
    orders = events_of("orders", *(placed("2026-11-02T10:00:00Z", *lines) for _ in range(20)))
    started = time.monotonic()
    assert rows(sales.top_products(orders), "orders", where="rank = 1") == [(20,)]
    assert time.monotonic() - started < 60
