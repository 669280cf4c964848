"""The oracle on a few events each, with figures reckoned by hand."""

from datetime import UTC, date, datetime, timedelta

from factories.events import order_item
from factories.oracle_events import (
    at,
    cart_item_added,
    delivery,
    order,
    paid,
    payment,
    product_viewed,
    rows,
    select,
    stock,
)
from shopnow.audit.kpi_oracle import KpiSettings, compute_kpis
from shopnow.events import (
    DeliveryCreated,
    DeliveryDelivered,
    DeliveryInTransit,
    PaymentFailed,
    PaymentRefunded,
    StockAdjusted,
    StockSold,
)
from shopnow.schemas import TIMESTAMP
from support.lake_oracle import events_tables

MOST = 2**63 - 1


def test_sales():
    events = [
        order(
            at(1, 9.5),
            order_item(quantity=2, price=50),
            order_item("q", 1, 25),
            discount_cents=10,
            order_id="o1",
        ),
        order(at(1, 10), order_item(price=10), order_id="o2", country="DE"),
        order(at(1, 10), order_item(price=7), order_id="o3", currency="USD"),
        payment(PaymentFailed, at(1, 10.5), 115, order_id="o1"),
        paid(at(1, 11), 115, order_id="o1"),
        payment(PaymentRefunded, at(2, 11), 15, order_id="o1"),
        paid(at(2, 11.5), 3, order_id="nobody's"),
    ]
    orders, payments = (
        ("orders", "units", "gmv_cents", "discount_cents"),
        ("payments_failed", "paid_cents", "net_revenue_cents"),
    )
    figures = (*orders, *payments, "average_order_cents")
    assert select(rows("sales_daily", events), "date", "currency", *figures) == [
        (date(2026, 1, 1), "EUR", 2, 4, 135, 10, 1, 115, 115, 63),  # 125 ÷ 2, rounded up
        (date(2026, 1, 1), "USD", 1, 1, 7, 0, 0, 0, 0, 7),
        (date(2026, 1, 2), "EUR", 0, 0, 0, 0, 0, 3, -12, None),
    ]
    hours = [
        row
        for row in rows("sales_hourly", events)
        if row["date"] == date(2026, 1, 1) and row["currency"] == "EUR"
    ]
    assert select(hours, "hour", *figures) == [
        (at(1, 9), 1, 3, 125, 10, 0, 0, 0, 115),
        (at(1, 10), 1, 1, 10, 0, 1, 0, 0, 10),
        (at(1, 11), 0, 0, 0, 0, 0, 115, 115, None),
    ]
    assert select(
        rows("sales_by_country", events),
        "date",
        "currency",
        "country",
        "orders",
        "refunds",
        "net_revenue_cents",
    ) == [
        (date(2026, 1, 1), "EUR", "DE", 1, 0, 0),
        (date(2026, 1, 1), "EUR", "FR", 1, 0, 115),
        (date(2026, 1, 1), "USD", "FR", 1, 0, 0),
        (date(2026, 1, 2), "EUR", "FR", 0, 1, -15),
        (date(2026, 1, 2), "EUR", "unknown", 0, 0, 3),
    ]


def test_a_payment_belongs_to_the_first_order_with_its_id_in_the_window():
    events = [
        order(at(1), country="AA"),
        order(at(3), country="BB"),
        order(at(3, 11), country="CC"),
        paid(at(1), 1),
        paid(at(15), 10),  # 14 days after the first
        paid(at(16), 100),  # 13 after the next
        paid(at(18), 1000),
        order(at(20), order_id="late", country="DD"),
        paid(at(19, 0), 10_000, order_id="late"),
        paid(at(18, 23), 100_000, order_id="late"),
    ]
    result = rows("sales_by_country", events)
    assert {(row["country"], row["date"].day, row["paid_cents"]) for row in result if row["paid_cents"]} == {
        ("AA", 1, 1),
        ("AA", 15, 10),
        ("CC", 16, 100),
        ("unknown", 18, 101_000),
        ("DD", 19, 10_000),
    }


def test_category_shares_add_up_to_the_total():
    events = [
        order(
            at(1),
            order_item(category="z"),
            order_item(category="a"),
            order_item(category="m"),
            discount_cents=50,
        ),
        paid(at(1), 100),
        order(
            at(1),
            order_item(category="a", quantity=1, price=0),
            order_item(category="b", quantity=2, price=0),
            order_id="free",
        ),
        payment(PaymentRefunded, at(1), 10, order_id="free"),
        paid(at(1), 5, order_id="nobody's"),
    ]
    columns = (
        "category",
        "orders",
        "units",
        "gmv_cents",
        "discount_cents",
        "paid_cents",
        "refunds_cents",
        "average_order_cents",
    )
    assert select(rows("sales_by_category", events), *columns) == [
        ("a", 2, 2, 100, 16, 33, 3, 42),
        ("b", 1, 2, 0, 0, 0, 7, 0),
        ("m", 1, 1, 100, 17, 33, 0, 83),
        ("unknown", 0, 0, 0, 0, 5, 0, None),
        ("z", 1, 1, 100, 17, 34, 0, 83),
    ]


def test_top_products():
    events = [
        order(at(1), order_item("p", 1, 500), order_item("q", 3, 100), order_item("q", 1, 100)),
        order(at(2), order_item("q", 1, 100), order_item("r", 1, 900)),
        order(at(2, 13), order_item("q", 1, 100), order_item("p", 2, 100)),
    ]
    columns = (
        "product_id",
        "rank",
        "rank_change",
        "units_rank",
        "units_rank_change",
        "orders",
        "units",
        "gmv_cents",
    )
    result = rows("top_products", events)
    assert select([row for row in result if row["date"].day == 1], *columns) == [
        ("p", 1, None, 2, None, 1, 1, 500),
        ("q", 2, None, 1, None, 1, 4, 400),
    ]
    assert sorted(select([row for row in result if row["date"].day == 2], *columns)) == [
        ("p", 2, -1, 1, 1, 1, 2, 200),
        ("q", 3, -1, 2, -1, 2, 2, 200),
        ("r", 1, None, 3, None, 1, 1, 900),
    ]


def test_funnel():
    events = [
        *(product_viewed(at(1), session) for session in "abcdef"),
        product_viewed(at(1, 23), "a"),
        product_viewed(at(2, 0), "a"),  # goes on
        product_viewed(at(3, 0), "b"),  # begins again
        cart_item_added(at(1, 11), "a"),  # before it began
        *(cart_item_added(at(2, 1), session) for session in "bcde"),
        cart_item_added(at(3), "f"),
        order(at(2, 0), session_id="b", order_id="b0"),  # before anything was in the cart
        *(order(at(2, 2), session_id=session, order_id=session) for session in "cde"),
        order(at(2, 3), session_id="c", order_id="c2"),
        paid(at(2, 4), order_id="c2"),  # not the first
        paid(at(15, 23), order_id="d"),
        paid(at(2, 5), order_id="e"),
        *(delivery(DeliveryDelivered, at(15, 22), at(5), id_, id_) for id_ in "de"),
    ]
    columns = (
        "date",
        "viewed",
        "carted",
        "ordered",
        "paid",
        "delivered",
        "carts_abandoned",
        "checkouts_abandoned",
    )
    result = rows("funnel", events)
    assert select(result, *columns) == [
        (date(2026, 1, 1), 6, 4, 3, 2, 1, 1, 1),
        (date(2026, 1, 3), 1, 0, 0, 0, 0, 0, 0),
    ]
    assert select(result, "cart_abandonment", "checkout_abandonment", "conversion") == [
        (1 / 4, 1 / 3, 2 / 6),
        (None, None, 0),
    ]


def test_payments():
    events = [
        payment(PaymentFailed, at(1), 10),
        payment(PaymentFailed, at(1), 10),
        paid(at(1), 30, attempt=2),
        paid(at(1), 5),
        payment(PaymentRefunded, at(1), 7, method="paypal"),
    ]
    columns = (
        "method",
        "attempts",
        "succeeded",
        "failed",
        "failure_rate",
        "recovered",
        "paid_cents",
        "recovered_cents",
        "refunds_cents",
    )
    assert select(rows("payments", events), *columns) == [
        ("card", 4, 2, 2, 0.5, 1, 35, 30, 0),
        ("paypal", 0, 0, 0, None, 0, 0, 0, 7),
    ]


def test_deliveries():
    events = [
        delivery(DeliveryCreated, at(1, 12), at(2, 0), "a"),
        delivery(DeliveryCreated, at(1, 12), at(2, 0), "b"),
        delivery(DeliveryCreated, at(1, 13), at(9, 0), "b"),  # again
        delivery(DeliveryInTransit, at(1, 18), at(2, 0), "a"),
        delivery(DeliveryInTransit, at(1, 19), at(1, 19), "c"),
        delivery(DeliveryDelivered, at(2, 0), at(2, 0), "a"),
        delivery(DeliveryDelivered, at(2, 6), at(2, 0), "d"),
        delivery(DeliveryDelivered, at(3, 6), at(2, 0), "a"),  # again
        delivery(DeliveryDelivered, at(16, 12), at(2, 0), "b"),  # 15 days after it was created
    ]
    counts = ("date", "created", "shipped", "delivered", "on_time", "on_time_rate", "days_to_deliver")
    result = rows("deliveries", events)
    assert select(result, *counts) == [
        (date(2026, 1, 1), 2, 2, 0, 0, None, None),
        (date(2026, 1, 2), 0, 0, 2, 1, 0.5, 0.5),
        (date(2026, 1, 3), 0, 0, 0, 0, None, None),
        (date(2026, 1, 16), 0, 0, 1, 0, 0, None),
    ]
    assert select(result, "as_of", "pending", "in_transit", "overdue") == [
        (at(1, 19), 1, 2, 0),
        (at(2, 6), 1, 1, 1),
        (at(3, 6), 1, 1, 1),
        (at(16, 12), 0, 0, 0),
    ]


def test_customers():
    events = [
        order(at(1), customer_id="a"),
        order(at(1, 13), customer_id="a"),
        order(at(1), customer_id="b"),
        order(at(2), customer_id="a"),
        order(at(5, month=3), customer_id="a"),
        order(at(5, month=3), customer_id="c"),
    ]
    assert select(
        rows("customer_orders", events), "customer_id", "first_order_at", "last_order_at", "orders"
    ) == [
        ("a", at(1), at(5, month=3), 4),
        ("b", at(1), at(1), 1),
        ("c", at(5, month=3), at(5, month=3), 1),
    ]
    assert select(rows("customers", events), "date", "customers", "new", "returning", "repeat_rate") == [
        (date(2026, 1, 1), 2, 2, 0, 0),
        (date(2026, 1, 2), 1, 0, 1, 1),
        (date(2026, 3, 5), 2, 1, 1, 0.5),
    ]
    months = ("date", "cohort", "months_since", "customers", "cohort_size", "retention")
    assert select(rows("cohorts", events), *months) == [
        (date(2026, 1, 1), date(2026, 1, 1), 0, 2, 2, 1),
        (date(2026, 3, 1), date(2026, 1, 1), 2, 1, 2, 0.5),
        (date(2026, 3, 1), date(2026, 3, 1), 0, 1, 1, 1),
    ]


def test_trends():
    # An order a day, two from the 15th on; of the 20th only until noon, and the hour that is not over.
    events = (
        [order(at(day)) for day in range(1, 21)]
        + [order(at(day, 13)) for day in range(15, 20)]
        + [order(at(20, 14))]
    )
    result = [row for row in rows("trends", events, now=at(20, 14.5)) if row["figure"] == "orders"]
    by_day = {row["date"].day: row for row in result}
    trend = ("as_of", "this_week", "week_before", "change")
    assert select([by_day[7]], *trend) == [(at(8, 0), 7, 0, None)]
    assert select([by_day[13]], *trend) == [
        (at(14, 0), 7, 6, None)
    ]  # the week before begins on December 31, without sales
    assert select([by_day[14]], *trend) == [(at(15, 0), 7, 7, 0)]
    assert select([by_day[19]], *trend) == [(at(20, 0), 12, 7, 5 / 7)]
    assert select([by_day[20]], *trend) == [(at(20, 13), 12, 7, 5 / 7)]


def test_anomalies():
    mondays = [datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(weeks=week) for week in range(5)]
    events = [order(time) for number, time in enumerate(mondays[:4]) for _ in range((2, 4, 2, 1)[number])]
    events += [order(mondays[4]) for _ in range(9)]
    result = [row for row in rows("anomalies", events) if row["figure"] == "orders"]
    assert {row["date"] for row in result} == {mondays[3].date(), mondays[4].date()}
    last = [row for row in result if row["date"] == mondays[4].date()]
    assert [row["hour"].hour for row in last] == list(range(13))
    columns = ("value", "weeks", "expected", "deviation", "score", "anomaly")
    assert select(last[-2:], *columns) == [(0, 4, 0, 0, 0, False), (9, 4, 2, 0.5, 7, True)]
    money = [
        row
        for row in rows("anomalies", [*events, paid(mondays[4], 500)])
        if row["figure"] == "net_revenue_cents" and row["value"]
    ]
    assert select(money, *columns) == [(500, 4, 0, 0, 5, True)]


def test_any_valid_event_can_be_computed():
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    events = []
    for time in (first, last):
        events += [
            order(time, *[order_item("p", 10**6, 10**12)] * 100, discount_cents=10**12, session_id="s")
            for _ in range(3)
        ]
        events += [
            paid(time, 10**12),
            payment(PaymentRefunded, time, 10**12),
            payment(PaymentFailed, time, 10**12),
        ]
        events += [product_viewed(time), cart_item_added(time)]
        events += [
            delivery(kind, time, first) for kind in (DeliveryCreated, DeliveryInTransit, DeliveryDelivered)
        ]
        events += [
            stock(StockSold, time, 10**9, 0),
            stock(StockAdjusted, time, -(10**9), 10**9),
            stock(StockSold, time, -1, 0),
        ]
    result = compute_kpis(events_tables(events), datetime(2026, 1, 1, tzinfo=UTC), KpiSettings(0.95, 2.0))
    assert all(table.num_rows for name, table in result.items() if name not in {"kpi/anomalies"})
    assert result["kpi/sales_daily"]["gmv_cents"].to_pylist() == [MOST, MOST]
    assert result["kpi/customer_orders"]["last_order_at"].cast("int64").to_pylist() == [
        (last - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    ]
    assert result["kpi/sales_hourly"].schema.field("hour").type == TIMESTAMP
    assert not any(
        table.num_rows for table in compute_kpis(events_tables([]), last, KpiSettings(0.95, 2.0)).values()
    )
