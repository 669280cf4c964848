from collections.abc import Sequence

import pytest
from pyspark.sql import functions as F

from factories.events import event
from shopnow.events import (
    DeliveryCreated,
    DeliveryDelivered,
    DeliveryInTransit,
    Event,
    PaymentFailed,
    PaymentRefunded,
    PaymentSucceeded,
)
from shopnow_spark.kpis import fulfilment
from support import scenarios
from support.frames import rows


def test_recovered_payments_succeeded_at_a_later_attempt_and_a_refund_is_no_attempt(events_of):
    paid = events_of(
        "payments",
        event(PaymentFailed, "2026-11-02T10:00:00Z", attempt=1),
        event(PaymentSucceeded, "2026-11-02T10:01:00Z", attempt=2, amount_cents=7),
        event(PaymentSucceeded, "2026-11-02T10:02:00Z", attempt=1, amount_cents=5),
        event(PaymentFailed, "2026-11-02T10:03:00Z", attempt=3, method="paypal"),
        event(PaymentRefunded, "2026-11-03T10:00:00Z", attempt=2, amount_cents=7),
    )
    figures = ("attempts", "succeeded", "failed", "failure_rate", "recovered", "paid_cents")
    columns = ("date", "method", *figures, "recovered_cents", "refunds", "refunds_cents")
    assert rows(fulfilment.payments(paid), *columns) == [
        ("2026-11-02", "card", 3, 2, 1, 1 / 3, 1, 12, 7, 0, 0),
        ("2026-11-02", "paypal", 1, 0, 1, 1.0, 0, 0, 0, 0, 0),
        ("2026-11-03", "card", 0, 0, 0, None, 0, 0, 0, 1, 7),
    ]


def created(time: str, id_: str = "d", promised: str = "2027-01-01T00:00:00Z"):
    return delivery(DeliveryCreated, time, id_, promised)


def shipped(time: str, id_: str = "d", promised: str = "2027-01-01T00:00:00Z"):
    return delivery(DeliveryInTransit, time, id_, promised)


def delivered(time: str, id_: str = "d", promised: str = "2027-01-01T00:00:00Z"):
    return delivery(DeliveryDelivered, time, id_, promised)


def delivery(type_, time: str, id_: str, promised: str):
    return event(type_, time, delivery_id=id_, promised_at=event(type_, promised).event_time)


OTHER_CREATED = created("2026-11-05T09:00:00Z", "other")
DELIVERIES: dict[str, tuple[Sequence[Event], tuple[str, ...], list[tuple]]] = {
    "deliveries move on": (
        [
            created("2026-11-02T10:00:00Z"),
            shipped("2026-11-03T10:00:00Z"),
            delivered("2026-11-04T22:00:00Z"),
        ],
        ("created", "shipped", "delivered", "pending", "in_transit", "days_to_deliver"),
        [
            ("2026-11-02", 1, 0, 0, 1, 0, None),
            ("2026-11-03", 0, 1, 0, 0, 1, None),
            ("2026-11-04", 0, 0, 1, 0, 0, 2.5),
        ],
    ),
    "the first of repeated events of a delivery counts": (
        [
            created("2026-11-02T10:00:00Z"),
            created("2026-11-02T11:00:00Z"),
            delivered("2026-11-03T10:00:00Z", promised="2026-11-03T10:00:00Z"),
            delivered("2026-11-03T11:00:00Z", promised="2026-11-03T10:00:00Z"),
            delivered("2026-11-04T10:00:00Z"),
        ],
        ("created", "delivered", "on_time", "on_time_rate", "days_to_deliver"),
        [
            ("2026-11-02", 1, 0, 0, None, None),
            ("2026-11-03", 0, 1, 1, 1.0, 1.0),
            ("2026-11-04", 0, 0, 0, None, None),
        ],
    ),
    "events older than 14 days do not count": (
        [
            created("2026-11-01T10:00:00Z", "old"),
            created("2026-11-15T10:00:00Z", "old"),  # the first is 14 days ago
            created("2026-11-30T10:00:00Z", "old"),  # that was 15 days ago
            delivered("2026-11-16T10:00:00Z", "late"),
            created("2026-11-01T10:00:00Z", "late"),
        ],
        ("created", "delivered", "pending", "days_to_deliver"),
        [
            ("2026-11-01", 2, 0, 2, None),
            ("2026-11-15", 0, 0, 2, None),
            ("2026-11-16", 0, 1, 1, None),
            ("2026-11-30", 1, 0, 1, None),
        ],
    ),
    "open deliveries are counted after the last event of a day": (
        [created("2026-11-02T10:00:00Z"), OTHER_CREATED],
        ("pending",),
        [("2026-11-02", 1), ("2026-11-05", 2)],
    ),
    **{
        f"a delivery promised before the last event is overdue: {promised}": (
            [
                created("2026-11-02T10:00:00Z", promised="2026-11-02T00:00:00Z"),
                shipped("2026-11-03T10:00:00Z", promised=promised),  # the latest promise counts
                OTHER_CREATED,
            ],
            ("overdue",),
            [("2026-11-02", 1), ("2026-11-03", int(promised < "2026-11-03T10")), ("2026-11-05", overdue)],
        )
        for promised, overdue in (
            ("2026-11-03T00:00:00Z", 1),
            ("2026-11-05T08:59:59.999Z", 1),
            ("2026-11-05T09:00:00Z", 0),
            ("2026-11-06T00:00:00Z", 0),
        )
    },
    "a delivery before its creation has a negative duration": (
        [delivered("2026-11-02T06:00:00Z"), created("2026-11-02T12:00:00Z")],
        ("pending", "days_to_deliver"),
        [("2026-11-02", 0, -0.25)],
    ),
}
"""Events, columns and expected rows, each independent of the others."""


@pytest.fixture(scope="module")
def deliveries_rows(events_of) -> dict[str, list[dict]]:
    """The rows of each case, from one computation over all of them."""
    events = events_of("deliveries", *scenarios.move(events for events, _, _ in DELIVERIES.values()))
    return scenarios.rows_by_scenario(fulfilment.deliveries(events), DELIVERIES)


@pytest.mark.parametrize("name", DELIVERIES)
def test_deliveries(deliveries_rows, name):
    _, columns, expected = DELIVERIES[name]
    assert scenarios.select(deliveries_rows[name], "date", *columns) == expected


def test_open_deliveries_are_as_of_the_last_event_of_the_day(deliveries_rows):
    rows = deliveries_rows["open deliveries are counted after the last event of a day"]
    assert {row["date"]: f"{row['as_of']:%H:%M}" for row in rows} == {
        "2026-11-02": "10:00",
        "2026-11-05": "09:00",
    }


@pytest.fixture
def by_day(events_of):
    def compute(*columns: str, events: tuple) -> list[tuple]:
        return rows(fulfilment.deliveries(events_of("deliveries", *events)), "date", *columns)

    return compute


def test_years_1_and_9999_are_supported(by_day):
    events = (
        created("0001-01-01T00:00:00Z"),
        created("9999-12-31T23:59:59.999Z", promised="9999-12-31T00:00:00Z"),
    )
    assert by_day("pending", "overdue", events=events) == [("0001-01-01", 1, 0), ("9999-12-31", 1, 1)]


def test_a_delivery_that_was_never_open_counts_on_the_days_of_its_events_only(events_of, by_day):
    events = (delivered("0001-01-01T00:00:00Z"), delivered("9999-12-31T00:00:00Z"))
    assert by_day("delivered", "pending", "in_transit", events=events) == [
        ("0001-01-01", 1, 0, 0),
        ("9999-12-31", 1, 0, 0),
    ]
    history = fulfilment._with_history(events_of("deliveries", *events))
    assert rows(history.select((fulfilment._last_open_day() - F.col("day")).alias("days")), "days") == [
        (0,),
        (0,),
    ]
