import pytest

from factories.events import event, order_item
from shopnow.events import OrderCancelled, OrderPlaced, PaymentFailed, PaymentRefunded, PaymentSucceeded
from shopnow_spark.kpis import sales
from support.frames import rows

FIGURES = (
    *("orders", "units", "gmv_cents", "discount_cents"),
    *("payments_succeeded", "payments_failed", "paid_cents", "refunds", "refunds_cents"),
)


@pytest.fixture
def orders(events_of):
    return events_of(
        "orders",
        event(
            OrderPlaced,
            "2026-11-02T23:59:59.999Z",
            items=[order_item("a", 2, 1000), order_item("b", 1, 500)],
            discount_cents=100,
        ),
        event(OrderPlaced, "2026-11-03T00:00:00.000Z", items=[order_item("a", 1, 1000)], discount_cents=0),
        event(
            OrderPlaced, "2026-11-03T01:30:00+02:00", items=[order_item("b", 3, 500)], discount_cents=1
        ),  # the day before, in UTC
        event(OrderCancelled, "2026-11-03T09:00:00Z"),
    )


@pytest.fixture
def payments(events_of):
    return events_of(
        "payments",
        event(PaymentFailed, "2026-11-02T23:10:00Z", amount_cents=2400),
        event(PaymentSucceeded, "2026-11-02T23:59:59.999Z", amount_cents=2400),
        event(PaymentRefunded, "2026-11-03T00:10:00Z", amount_cents=900),
        event(PaymentRefunded, "2026-11-03T00:20:00Z", amount_cents=100),
    )


def test_sales_count_each_event_once_on_its_own_day(orders, payments):
    assert rows(sales.sales_daily(orders, payments), "date", "currency", *FIGURES, "net_revenue_cents") == [
        ("2026-11-02", "EUR", 2, 6, 4000, 101, 1, 1, 2400, 0, 0, 2400),
        ("2026-11-03", "EUR", 1, 1, 1000, 0, 0, 0, 0, 2, 1000, -1000),
    ]


def test_hours_add_up_to_days(orders, payments):
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
def test_average_order_rounds_halves_up(events_of, discounts, average):
    placed = [
        event(OrderPlaced, "2026-11-02T10:00:00Z", items=[order_item("a", 1, 5)], discount_cents=discount)
        for discount in discounts
    ]
    daily = sales.sales_daily(events_of("orders", *placed), events_of("payments"))
    assert rows(daily, "average_order_cents") == [(average,)]


def test_without_orders_there_is_no_average(events_of):
    daily = sales.sales_daily(
        events_of("orders"), events_of("payments", event(PaymentFailed, "2026-11-02T10:00:00Z"))
    )
    assert rows(daily, "orders", "average_order_cents") == [(0, None)]


def test_currencies_are_separate(events_of):
    placed = events_of(
        "orders",
        event(OrderPlaced, "2026-11-02T10:00:00Z", items=[order_item("a", 1, 10)]),
        event(OrderPlaced, "2026-11-02T10:00:00Z", items=[order_item("a", 1, 7)], currency="USD"),
    )
    paid = events_of(
        "payments", event(PaymentSucceeded, "2026-11-02T10:00:00Z", amount_cents=7, currency="USD")
    )
    assert rows(sales.sales_daily(placed, paid), "currency", "gmv_cents", "paid_cents") == [
        ("EUR", 10, 0),
        ("USD", 7, 7),
    ]


def test_sums_beyond_64_bits_are_clamped(events_of):
    placed = events_of(
        "orders",
        event(
            OrderPlaced,
            "2026-11-02T10:00:00Z",
            items=[order_item("a", 10**6, 10**12)] * 12,
            discount_cents=10**12,
        ),
    )
    paid = events_of("payments", event(PaymentSucceeded, "2026-11-02T10:00:00Z", amount_cents=10**12))
    highest = 2**63 - 1
    assert rows(sales.sales_daily(placed, paid), "gmv_cents", "average_order_cents") == [
        (highest, highest - 10**12)
    ]
    assert rows(sales.top_products(placed), "gmv_cents", "units") == [(highest, 12 * 10**6)]
    assert rows(sales.sales_by_category(paid, placed), "gmv_cents", "paid_cents") == [(highest, 10**12)]


def test_no_events_make_no_rows(events_of):
    orders, payments = events_of("orders"), events_of("payments")
    assert sales.sales_daily(orders, payments).count() == 0
    assert sales.sales_by_country(payments, orders).count() == 0
    assert sales.sales_by_category(payments, orders).count() == 0
    assert sales.top_products(orders).count() == 0


def test_a_payment_gets_the_country_of_the_first_order_around_its_date(events_of):
    placed = events_of(
        "orders",
        event(OrderPlaced, "2026-11-01T23:59:59.999Z", order_id="o", country="DE"),
        event(OrderPlaced, "2026-11-02T10:00:00Z", order_id="o", country="FR"),
        event(
            OrderPlaced, "2026-11-02T10:00:00Z", order_id="o", country="IT"
        ),  # at the same time: the event_id decides
        event(OrderPlaced, "2026-11-20T10:00:00Z", order_id="o", country="ES"),
    )
    days = ("2026-10-30", "2026-10-31", "2026-11-15", "2026-11-16", "2026-11-17", "2026-11-19")
    paid = events_of(
        "payments",
        *(event(PaymentSucceeded, f"{day}T09:00:00Z", order_id="o", amount_cents=1) for day in days),
    )
    countries = rows(
        sales.sales_by_country(paid, placed).where("paid_cents > 0"), "date", "country", "paid_cents"
    )
    assert countries == list(zip(days, ("unknown", "DE", "DE", "FR", "unknown", "ES"), [1] * 6, strict=True))


def test_a_repeated_order_does_not_multiply_payments(events_of):
    placed = events_of(
        "orders",
        *[
            event(OrderPlaced, "2026-11-02T10:00:00Z", order_id="o", currency=currency)
            for currency in ("EUR", "USD")
        ],
    )
    paid = events_of(
        "payments", event(PaymentSucceeded, "2026-11-02T10:00:00Z", order_id="o", amount_cents=5)
    )
    for kpi in (sales.sales_by_country, sales.sales_by_category):
        assert rows(kpi(paid, placed), "currency", "orders", "paid_cents") == [("EUR", 1, 5), ("USD", 1, 0)]


def test_discount_payment_and_refund_are_split_by_category_to_the_cent(events_of):
    items = [
        order_item("x", 1, 100, "c"),
        order_item("y", 1, 60, "a"),
        order_item("z", 1, 100, "b"),
        order_item("y", 1, 40, "a"),
    ]
    placed = events_of(
        "orders", event(OrderPlaced, "2026-11-02T10:00:00Z", order_id="o", items=items, discount_cents=100)
    )
    paid = events_of(
        "payments",
        event(PaymentSucceeded, "2026-11-02T10:00:00Z", order_id="o", amount_cents=200),
        event(PaymentRefunded, "2026-11-02T11:00:00Z", order_id="o", amount_cents=2),
        event(PaymentFailed, "2026-11-02T09:00:00Z", order_id="o", amount_cents=200),
    )
    columns = (
        "category",
        "orders",
        "units",
        "gmv_cents",
        "discount_cents",
        "paid_cents",
        "refunds_cents",
        "net_revenue_cents",
    )
    assert rows(sales.sales_by_category(paid, placed), *columns) == [
        ("a", 1, 2, 100, 33, 66, 0, 66),
        ("b", 1, 1, 100, 33, 67, 1, 66),
        ("c", 1, 1, 100, 34, 67, 1, 66),
    ]


def test_an_order_worth_nothing_is_split_by_units(events_of):
    items = [order_item("x", 3, 0, "a"), order_item("y", 1, 0, "b")]
    placed = events_of(
        "orders", event(OrderPlaced, "2026-11-02T10:00:00Z", order_id="o", items=items, discount_cents=0)
    )
    paid = events_of(
        "payments", event(PaymentSucceeded, "2026-11-02T10:00:00Z", order_id="o", amount_cents=10)
    )
    assert rows(sales.sales_by_category(paid, placed), "category", "paid_cents") == [("a", 7), ("b", 3)]


def test_the_category_of_a_payment_without_an_order_is_unknown(events_of):
    paid = events_of("payments", event(PaymentRefunded, "2026-11-02T10:00:00Z", amount_cents=10))
    columns = ("category", "units", "gmv_cents", "net_revenue_cents", "average_order_cents")
    assert rows(sales.sales_by_category(paid, events_of("orders")), *columns) == [
        ("unknown", 0, 0, -10, None)
    ]


def test_top_products_are_ranked_within_their_day(events_of):
    placed = events_of(
        "orders",
        event(
            OrderPlaced,
            "2026-11-02T10:00:00Z",
            items=[order_item("a", 1, 300, name="a new"), order_item("b", 1, 500), order_item("b", 2, 250)],
        ),
        event(
            OrderPlaced,
            "2026-11-02T09:00:00Z",
            items=[order_item("a", 2, 350, name="a old"), order_item("c", 1, 1000)],
        ),
        event(OrderPlaced, "2026-11-03T09:00:00Z", items=[order_item("c", 1, 1)]),
    )
    assert rows(
        sales.top_products(placed),
        "date",
        "rank",
        "units_rank",
        "product_name",
        "orders",
        "units",
        "gmv_cents",
    ) == [
        ("2026-11-02", 1, 1, "a new", 2, 3, 1000),
        ("2026-11-02", 2, 2, "B", 1, 3, 1000),
        ("2026-11-02", 3, 3, "C", 1, 1, 1000),
        ("2026-11-03", 1, 1, "C", 1, 1, 1),
    ]


def test_rank_changes_are_relative_to_the_day_before(events_of):
    placed = events_of(
        "orders",
        event(OrderPlaced, "2026-11-02T10:00:00Z", items=[order_item("a", 1, 300), order_item("b", 2, 100)]),
        event(
            OrderPlaced,
            "2026-11-03T10:00:00Z",
            items=[order_item("b", 1, 300), order_item("a", 2, 100), order_item("c", 1, 1)],
        ),
        event(OrderPlaced, "2026-11-05T10:00:00Z", items=[order_item("a", 1, 1)]),
    )
    columns = ("date", "product_id", "rank", "rank_change", "units_rank", "units_rank_change")
    assert rows(sales.top_products(placed).where("date > '2026-11-02'"), *columns) == [
        ("2026-11-03", "a", 2, -1, 1, 1),
        ("2026-11-03", "b", 1, 1, 2, -1),
        ("2026-11-03", "c", 3, None, 3, None),
        ("2026-11-05", "a", 1, None, 1, None),
    ]
