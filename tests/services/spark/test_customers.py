import pytest

from factories.events import event
from shopnow.events import (
    CartItemAdded,
    CartItemRemoved,
    DeliveryDelivered,
    OrderCancelled,
    OrderPlaced,
    PaymentFailed,
    PaymentSucceeded,
    ProductViewed,
)
from shopnow_spark.kpis import customers
from support.frames import rows


@pytest.fixture
def orders(events_of):
    purchases = [
        ("a", "2026-10-31T23:00"),
        ("b", "2026-11-02T10:00"),
        ("a", "2026-11-02T11:00"),
        ("b", "2026-11-02T12:00"),
        ("b", "2026-12-01T00:00"),
    ]
    placed = [event(OrderPlaced, f"{time}:00Z", customer_id=customer) for customer, time in purchases]
    return events_of("orders", *placed, event(OrderCancelled, "2026-12-01T00:00:00Z"))


def test_customer_orders_do_not_depend_on_the_order_of_arrival(orders):
    columns = ("customer_id", "first_order_at", "last_order_at", "orders")
    expected = [
        ("a", "2026-10-31 23:00:00", "2026-11-02 11:00:00", 2),
        ("b", "2026-11-02 10:00:00", "2026-12-01 00:00:00", 3),
    ]
    assert rows(customers.customer_orders(None, orders), *columns) == expected
    before, after = orders.where("source_offset < 2"), orders.where("source_offset >= 2")
    assert (
        rows(customers.customer_orders(customers.customer_orders(None, before), after), *columns) == expected
    )
    assert (
        rows(customers.customer_orders(customers.customer_orders(None, after), before), *columns) == expected
    )


def test_a_customer_is_new_on_the_day_of_the_first_order_ever(orders):
    by_day = customers.customers(orders, customers.customer_orders(None, orders))
    assert rows(by_day, "date", "customers", "new", "returning", "repeat_rate") == [
        ("2026-10-31", 1, 1, 0, 0.0),
        ("2026-11-02", 2, 1, 1, 0.5),
        ("2026-12-01", 1, 0, 1, 1.0),
    ]


def test_only_days_with_orders_have_customers(orders):
    customer_orders = customers.customer_orders(None, orders)
    assert rows(
        customers.customers(orders.where("event_date = '2026-12-01'"), customer_orders), "date", "new"
    ) == [("2026-12-01", 0)]


def test_cohorts_come_back_month_by_month(events_of, orders):
    all_orders = orders.unionByName(
        events_of("orders", event(OrderPlaced, "2026-10-01T00:00:00Z", customer_id="c"))
    )
    by_month = customers.cohorts(all_orders, customers.customer_orders(None, all_orders))
    assert rows(by_month, "date", "cohort", "months_since", "customers", "cohort_size", "retention") == [
        ("2026-10-01", "2026-10-01", 0, 2, 2, 1.0),
        ("2026-11-01", "2026-10-01", 1, 1, 2, 0.5),
        ("2026-11-01", "2026-11-01", 0, 1, 1, 1.0),
        ("2026-12-01", "2026-11-01", 1, 1, 1, 1.0),
    ]


STEPS = ("viewed", "carted", "ordered", "paid", "delivered")
VISIT = (
    event(ProductViewed, "2026-11-02T10:00:00Z"),
    event(CartItemAdded, "2026-11-02T10:01:00Z"),
    event(OrderPlaced, "2026-11-02T10:02:00Z"),
    event(PaymentSucceeded, "2026-11-02T10:03:00Z"),
    event(DeliveryDelivered, "2026-11-03T10:00:00Z"),
)
"""One session and one order, as in the examples of the docs."""


@pytest.fixture
def funnel(events_of):
    topics = {
        "views": (ProductViewed,),
        "carts": (CartItemAdded, CartItemRemoved),
        "orders": (OrderPlaced,),
        "payments": (PaymentSucceeded, PaymentFailed),
        "deliveries": (DeliveryDelivered,),
    }

    def compute(*events, columns: tuple[str, ...] = STEPS) -> list[tuple]:
        frames = [
            events_of(topic, *(event for event in events if isinstance(event, types)))
            for topic, types in topics.items()
        ]
        return rows(customers.funnel(*frames), "date", *columns)

    return compute


def test_a_session_passes_all_steps(funnel):
    assert funnel(*VISIT) == [("2026-11-02", 1, 1, 1, 1, 1)]


def test_steps_with_equal_times_count_in_order(funnel):
    time = "2026-11-02T10:00:00Z"
    assert funnel(*(event(type(step), time) for step in reversed(VISIT))) == [("2026-11-02", 1, 1, 1, 1, 1)]


@pytest.mark.parametrize("step", range(1, 5))
def test_a_step_before_the_one_it_follows_does_not_count(funnel, step):
    too_early = event(type(VISIT[step]), "2026-11-02T10:00:00Z" if step > 1 else "2026-11-02T09:59:59.999Z")
    assert funnel(*VISIT[:step], too_early, *VISIT[step + 1 :]) == [
        ("2026-11-02", *[1] * step, *[0] * (5 - step))
    ]


@pytest.mark.parametrize(
    ("step", "time", "reached"),
    [
        *((1, "2026-11-03T23:59:59.999Z", 2), (1, "2026-11-04T00:00:00Z", 1)),
        *((2, "2026-11-03T23:59:59.999Z", 3), (2, "2026-11-04T00:00:00Z", 2)),
        *((3, "2026-11-16T23:59:59.999Z", 4), (3, "2026-11-17T00:00:00Z", 3)),
        *((4, "2026-11-16T23:59:59.999Z", 5), (4, "2026-11-17T00:00:00Z", 4)),
    ],
)
def test_a_step_must_follow_within_its_window(funnel, step, time, reached):
    assert funnel(*VISIT[:step], event(type(VISIT[step]), time)) == [
        ("2026-11-02", *[1] * reached, *[0] * (5 - reached))
    ]


def test_a_session_starts_after_a_day_without_its_events(funnel):
    days = ("2026-11-02", "2026-11-03", "2026-11-04", "2026-11-06", "2026-11-06")
    assert funnel(*(event(ProductViewed, f"{day}T10:00:00Z") for day in days)) == [
        ("2026-11-02", 1, 0, 0, 0, 0),
        ("2026-11-06", 1, 0, 0, 0, 0),
    ]


def test_the_first_order_of_a_session_counts(funnel):
    placed = [event(OrderPlaced, "2026-11-02T10:02:00Z", order_id=id_) for id_ in ("first", "second")]
    paid = event(PaymentSucceeded, "2026-11-02T10:03:00Z", order_id="second")
    assert funnel(*VISIT[:2], *placed, paid) == [("2026-11-02", 1, 1, 1, 0, 0)]
    paid = event(PaymentSucceeded, "2026-11-02T10:03:00Z", order_id="first")
    assert funnel(*VISIT[:2], *placed, paid) == [("2026-11-02", 1, 1, 1, 1, 0)]


def test_removed_items_and_failed_payments_are_no_steps(funnel):
    removed, failed = (
        event(CartItemRemoved, "2026-11-02T10:01:00Z"),
        event(PaymentFailed, "2026-11-02T10:03:00Z"),
    )
    assert funnel(VISIT[0], removed, *VISIT[2:]) == [("2026-11-02", 1, 0, 0, 0, 0)]
    assert funnel(*VISIT[:3], failed, VISIT[4]) == [("2026-11-02", 1, 1, 1, 0, 0)]


def test_abandonment_is_a_share_of_the_previous_step(funnel):
    only_viewed, only_carted = (
        [event(ProductViewed, "2026-11-02T11:00:00Z", session_id=session) for session in ("v", "w")],
        [event(type_, "2026-11-02T11:00:00Z", session_id="x") for type_ in (ProductViewed, CartItemAdded)],
    )
    columns = (
        "carts_abandoned",
        "checkouts_abandoned",
        "cart_abandonment",
        "checkout_abandonment",
        "conversion",
    )
    assert funnel(*VISIT, *only_viewed, *only_carted, columns=columns) == [
        ("2026-11-02", 1, 0, 0.5, 0.0, 0.25)
    ]
    assert funnel(*only_viewed, columns=columns) == [("2026-11-02", 0, 0, None, None, 0.0)]
