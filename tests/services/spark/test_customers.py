from collections.abc import Sequence

import pytest

from factories.events import event
from shopnow.events import (
    CartItemAdded,
    CartItemRemoved,
    DeliveryDelivered,
    Event,
    OrderCancelled,
    OrderPlaced,
    PaymentFailed,
    PaymentSucceeded,
    ProductViewed,
)
from shopnow_spark.kpis import customers
from support import scenarios
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
    for first, second in ((before, after), (after, before)):
        table = customers.customer_orders(None, first)
        assert rows(customers.customer_orders(table, second), *columns) == expected


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


TOPICS_OF_STEPS = {
    "views": (ProductViewed,),
    "carts": (CartItemAdded, CartItemRemoved),
    "orders": (OrderPlaced,),
    "payments": (PaymentSucceeded, PaymentFailed),
    "deliveries": (DeliveryDelivered,),
}
ABANDONED = (
    "carts_abandoned",
    "checkouts_abandoned",
    "cart_abandonment",
    "checkout_abandonment",
    "conversion",
)


def reached(steps: int) -> list[tuple]:
    """Return the figures of one session that reaches this many steps."""
    return [("2026-11-02", *[1] * steps, *[0] * (5 - steps))]


def too_early(step: int) -> Event:
    return event(type(VISIT[step]), "2026-11-02T10:00:00Z" if step > 1 else "2026-11-02T09:59:59.999Z")


def viewed(time: str, session_id: str = "s") -> Event:
    return event(ProductViewed, time, session_id=session_id)


REMOVED, FAILED = (
    event(CartItemRemoved, "2026-11-02T10:01:00Z"),
    event(PaymentFailed, "2026-11-02T10:03:00Z"),
)
ORDERED_TWICE = [event(OrderPlaced, "2026-11-02T10:02:00Z", order_id=id_) for id_ in ("first", "second")]
FIRST_PAID, SECOND_PAID = (
    event(PaymentSucceeded, "2026-11-02T10:03:00Z", order_id=id_) for id_ in ("first", "second")
)
ONLY_VIEWED = [viewed("2026-11-02T11:00:00Z", session) for session in ("v", "w")]
ONLY_CARTED = [
    event(type_, "2026-11-02T11:00:00Z", session_id="x") for type_ in (ProductViewed, CartItemAdded)
]

FUNNELS: dict[str, tuple[Sequence[Event], tuple[str, ...], list[tuple]]] = {
    "a session passes all steps": (VISIT, STEPS, reached(5)),
    "steps with equal times count in order": (
        [event(type(step), "2026-11-02T10:00:00Z") for step in reversed(VISIT)],
        STEPS,
        reached(5),
    ),
    **{
        f"step {step} before the one it follows does not count": (
            [*VISIT[:step], too_early(step), *VISIT[step + 1 :]],
            STEPS,
            reached(step),
        )
        for step in range(1, 5)
    },
    **{
        f"step {step} must follow within its window: {time}": (
            [*VISIT[:step], event(type(VISIT[step]), time)],
            STEPS,
            reached(steps),
        )
        for step, time, steps in (
            *((1, "2026-11-03T23:59:59.999Z", 2), (1, "2026-11-04T00:00:00Z", 1)),
            *((2, "2026-11-03T23:59:59.999Z", 3), (2, "2026-11-04T00:00:00Z", 2)),
            *((3, "2026-11-16T23:59:59.999Z", 4), (3, "2026-11-17T00:00:00Z", 3)),
            *((4, "2026-11-16T23:59:59.999Z", 5), (4, "2026-11-17T00:00:00Z", 4)),
        )
    },
    "a session starts after a day without its events": (
        [viewed(f"2026-11-0{day}T10:00:00Z") for day in (2, 3, 4, 6, 6)],
        STEPS,
        [("2026-11-02", 1, 0, 0, 0, 0), ("2026-11-06", 1, 0, 0, 0, 0)],
    ),
    "only the first order of a session counts": (
        [*VISIT[:2], *ORDERED_TWICE, SECOND_PAID],
        STEPS,
        reached(3),
    ),
    "the first order of a session counts": ([*VISIT[:2], *ORDERED_TWICE, FIRST_PAID], STEPS, reached(4)),
    "a removed item is no step": ([VISIT[0], REMOVED, *VISIT[2:]], STEPS, reached(1)),
    "a failed payment is no step": ([*VISIT[:3], FAILED, VISIT[4]], STEPS, reached(3)),
    "abandonment is a share of the previous step": (
        [*VISIT, *ONLY_VIEWED, *ONLY_CARTED],
        ABANDONED,
        [("2026-11-02", 1, 0, 0.5, 0.0, 0.25)],
    ),
    "without a previous step there is no abandonment": (
        ONLY_VIEWED,
        ABANDONED,
        [("2026-11-02", 0, 0, None, None, 0.0)],
    ),
}
"""Events, columns and expected rows, each independent of the others."""


@pytest.fixture(scope="module")
def funnel_rows(events_of) -> dict[str, list[dict]]:
    """The rows of each funnel, from one computation over all of them."""
    moved = scenarios.move(events for events, _, _ in FUNNELS.values())
    frames = [
        events_of(topic, *(step for step in moved if isinstance(step, types)))
        for topic, types in TOPICS_OF_STEPS.items()
    ]
    return scenarios.rows_by_scenario(customers.funnel(*frames), FUNNELS)


@pytest.mark.parametrize("name", FUNNELS)
def test_funnel(funnel_rows, name):
    _, columns, expected = FUNNELS[name]
    assert scenarios.select(funnel_rows[name], "date", *columns) == expected
