import pytest
from pyspark.sql import functions as F

from factories.events import event
from shopnow.events import (
    DeliveryCreated,
    DeliveryDelivered,
    DeliveryInTransit,
    PaymentFailed,
    PaymentRefunded,
    PaymentSucceeded,
)
from shopnow_spark.kpis import fulfilment
from support.frames import rows


def test_recovered_payments_succeeded_at_a_later_attempt(events_of):
    paid = events_of(
        "payments",
        event(PaymentFailed, "2026-11-02T10:00:00Z", attempt=1),
        event(PaymentSucceeded, "2026-11-02T10:01:00Z", attempt=2, amount_cents=7),
        event(PaymentSucceeded, "2026-11-02T10:02:00Z", attempt=1, amount_cents=5),
        event(PaymentFailed, "2026-11-02T10:03:00Z", attempt=3, method="paypal"),
    )
    columns = (
        "method",
        "attempts",
        "succeeded",
        "failed",
        "failure_rate",
        "recovered",
        "paid_cents",
        "recovered_cents",
    )
    assert rows(fulfilment.payments(paid), *columns) == [
        ("card", 3, 2, 1, 1 / 3, 1, 12, 7),
        ("paypal", 1, 0, 1, 1.0, 0, 0, 0),
    ]


def test_a_refund_is_no_attempt(events_of):
    paid = events_of("payments", event(PaymentRefunded, "2026-11-02T10:00:00Z", attempt=2, amount_cents=7))
    assert rows(
        fulfilment.payments(paid), "attempts", "failure_rate", "recovered", "refunds", "refunds_cents"
    ) == [(0, None, 0, 1, 7)]


def created(time: str, id_: str = "d", promised: str = "2027-01-01T00:00:00Z"):
    return delivery(DeliveryCreated, time, id_, promised)


def shipped(time: str, id_: str = "d", promised: str = "2027-01-01T00:00:00Z"):
    return delivery(DeliveryInTransit, time, id_, promised)


def delivered(time: str, id_: str = "d", promised: str = "2027-01-01T00:00:00Z"):
    return delivery(DeliveryDelivered, time, id_, promised)


def delivery(type_, time: str, id_: str, promised: str):
    return event(type_, time, delivery_id=id_, promised_at=event(type_, promised).event_time)


@pytest.fixture
def by_day(events_of):
    def compute(*columns: str, events: tuple) -> list[tuple]:
        return rows(fulfilment.deliveries(events_of("deliveries", *events)), "date", *columns)

    return compute


def test_deliveries_move_on(by_day):
    events = (
        created("2026-11-02T10:00:00Z"),
        shipped("2026-11-03T10:00:00Z"),
        delivered("2026-11-04T22:00:00Z"),
    )
    columns = ("created", "shipped", "delivered", "pending", "in_transit", "days_to_deliver")
    assert by_day(*columns, events=events) == [
        ("2026-11-02", 1, 0, 0, 1, 0, None),
        ("2026-11-03", 0, 1, 0, 0, 1, None),
        ("2026-11-04", 0, 0, 1, 0, 0, 2.5),
    ]


def test_the_first_of_repeated_events_of_a_delivery_counts(by_day):
    events = (
        created("2026-11-02T10:00:00Z"),
        created("2026-11-02T11:00:00Z"),
        delivered("2026-11-03T10:00:00Z", promised="2026-11-03T10:00:00Z"),
        delivered("2026-11-03T11:00:00Z", promised="2026-11-03T10:00:00Z"),
        delivered("2026-11-04T10:00:00Z"),
    )
    assert by_day("created", "delivered", "on_time", "on_time_rate", "days_to_deliver", events=events) == [
        ("2026-11-02", 1, 0, 0, None, None),
        ("2026-11-03", 0, 1, 1, 1.0, 1.0),
        ("2026-11-04", 0, 0, 0, None, None),
    ]


def test_events_older_than_14_days_do_not_count(by_day):
    events = (
        created("2026-11-01T10:00:00Z", "old"),
        created("2026-11-15T10:00:00Z", "old"),  # the first is 14 days ago
        created("2026-11-30T10:00:00Z", "old"),  # that was 15 days ago
        delivered("2026-11-16T10:00:00Z", "late"),
        created("2026-11-01T10:00:00Z", "late"),
    )
    assert by_day("created", "delivered", "pending", "days_to_deliver", events=events) == [
        ("2026-11-01", 2, 0, 2, None),
        ("2026-11-15", 0, 0, 2, None),
        ("2026-11-16", 0, 1, 1, None),
        ("2026-11-30", 1, 0, 1, None),
    ]


def test_open_deliveries_are_counted_after_the_last_event_of_a_day(by_day):
    events = (created("2026-11-02T10:00:00Z"), created("2026-11-05T09:00:00Z", "other"))
    assert by_day("as_of", "pending", events=events) == [
        ("2026-11-02", "2026-11-02 10:00:00", 1),
        ("2026-11-05", "2026-11-05 09:00:00", 2),
    ]


@pytest.mark.parametrize(
    ("promised", "overdue"),
    [
        ("2026-11-03T00:00:00Z", 1),
        ("2026-11-05T08:59:59.999Z", 1),
        ("2026-11-05T09:00:00Z", 0),
        ("2026-11-06T00:00:00Z", 0),
    ],
)
def test_a_delivery_promised_before_the_last_event_is_overdue(by_day, promised, overdue):
    events = (
        created("2026-11-02T10:00:00Z", promised="2026-11-02T00:00:00Z"),
        shipped("2026-11-03T10:00:00Z", promised=promised),  # the latest promise counts
        created("2026-11-05T09:00:00Z", "other"),
    )
    assert by_day("overdue", events=events)[-1] == ("2026-11-05", overdue)


def test_a_delivery_before_its_creation_has_a_negative_duration(by_day):
    events = (delivered("2026-11-02T06:00:00Z"), created("2026-11-02T12:00:00Z"))
    assert by_day("pending", "days_to_deliver", events=events) == [("2026-11-02", 0, -0.25)]


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
