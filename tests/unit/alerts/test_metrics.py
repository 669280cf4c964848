"""Metrics computed from rows of tables."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from factories.alert_factory import cover
from shopnow.alerts.metrics import METRICS
from shopnow.alerts.model import Observation
from shopnow.kpis import KPIS

NOW = datetime(2026, 7, 2, 12, tzinfo=UTC)
DAY = date(2026, 7, 2)


def observe(metric: str, *rows: dict[str, Any]) -> list[Observation]:
    return METRICS[metric].observe(metric, rows, NOW)


def test_no_rows_give_no_observations():
    assert [observe(metric) for metric in METRICS] == [[]] * len(METRICS)


def test_stock_cover_is_relative_to_lead_time_and_reorder_point():
    [observation] = observe("share_of_lead_time", cover())
    assert (observation.subject, observation.value, observation.facts) == (
        "p-1",
        0.5,
        "6 left, enough for 2.0 days; a delivery takes 4.0",
    )
    [observation] = observe("share_of_reorder_point", cover())
    assert (observation.value, observation.facts) == (0.5, "6 left, its reorder point is 12")


def test_a_product_without_demand_has_no_cover():
    assert observe("share_of_lead_time", cover(days_of_cover=None)) == []
    assert observe("share_of_reorder_point", cover(reorder_point=0)) == []


def test_sales_are_those_of_the_newest_hour_of_each_currency_if_beyond_chance():
    def row(
        hour: int, value: float, anomaly: bool, currency: str = "EUR", figure: str = "orders"
    ) -> dict[str, Any]:
        at = NOW.replace(hour=hour)
        return {
            "hour": at,
            "currency": currency,
            "figure": figure,
            "value": value,
            "expected": 10.0,
            "anomaly": anomaly,
        }

    rows = [
        row(9, 10, False),
        row(10, 2, True),
        row(10, 1, False, "USD"),
        row(10, 1, True, figure="views"),
        row(8, 0, True),
    ]
    observations = observe("share_of_expected", *rows)
    assert {item.subject: item.value for item in observations} == {"orders/EUR": 0.2, "orders/USD": 1.0}
    assert observations[0].facts == "2 in the hour from 10:00 UTC, 10 expected"


def test_payments_cover_the_newest_hours_of_a_currency():
    def row(hour: int, failed: int, succeeded: int) -> dict[str, Any]:
        return {
            "hour": NOW.replace(hour=hour),
            "currency": "EUR",
            "payments_failed": failed,
            "payments_succeeded": succeeded,
        }

    [observation] = observe("share_of_payments_failed", row(8, 90, 0), row(9, 20, 60), row(10, 10, 10))
    assert (observation.value, observation.sample_size, observation.facts) == (
        0.3,
        100,
        "30%: 30 of 100 failed in 2 hours",
    )
    assert observe("share_of_payments_failed", row(8, 0, 0)) == []


def test_each_payment_method_is_observed_on_its_newest_day():
    def row(day: int, method: str, failed: int) -> dict[str, Any]:
        return {
            "date": date(2026, 7, day),
            "currency": "EUR",
            "method": method,
            "attempts": 50,
            "failed": failed,
        }

    observations = observe(
        "share_of_method_failed", row(1, "card", 50), row(2, "card", 5), row(1, "paypal", 25)
    )
    assert {item.subject: item.value for item in observations} == {"card/EUR": 0.1, "paypal/EUR": 0.5}


def test_overdue_deliveries_are_a_ratio_of_open_deliveries():
    newest = {"date": DAY, "as_of": NOW, "overdue": 3, "pending": 20, "in_transit": 40}
    before = {
        "date": DAY - timedelta(days=1),
        "as_of": NOW - timedelta(days=1),
        "overdue": 30,
        "pending": 20,
        "in_transit": 40,
    }
    [observation] = observe("share_of_deliveries_overdue", before, newest)
    assert (observation.value, observation.sample_size, observation.at, observation.facts) == (
        0.05,
        60,
        NOW,
        "5%: 3 of 60 open deliveries are overdue",
    )


def test_missing_rows_are_those_of_the_newest_day_and_unknown_counts_as_one():
    def value(*missing: int | None) -> float:
        old = {"date": DAY - timedelta(days=1), "missing_rows": 9}
        return observe("missing_rows", old, *({"date": DAY, "missing_rows": count} for count in missing))[
            0
        ].value

    assert [value(0, 0), value(0, 7), value(0, None), value(5, None)] == [0, 7, 1, 5]


def test_only_the_newest_audit_is_observed():
    def row(hour: int, ok: bool) -> dict[str, Any]:
        return {
            "audited_at": NOW.replace(hour=hour),
            "check": "raw = receipts",
            "ok": ok,
            "detail": "raw/orders 0/17 differs",
        }

    assert observe("broken_checks", row(1, False), row(2, True))[0].value == 0
    [observation] = observe("broken_checks", row(1, True), row(2, True), row(2, False))
    assert (observation.value, observation.facts) == (1, "raw = receipts: raw/orders 0/17 differs")


def test_unprocessed_records_are_observed_by_minutes_since_landing():
    observations = observe(
        "minutes_landed_unused",
        {"topic": "orders", "since": NOW - timedelta(minutes=45)},
        {"topic": "carts", "since": None},
    )
    assert [(item.subject, item.value) for item in observations] == [("orders", 45), ("carts", 0)]


def test_metrics_read_columns_that_the_kpis_have():
    schemas = {kpi.name: set(kpi.schema.names) for kpi in KPIS}
    missing = {
        name: set(metric.columns) - schemas[metric.source]
        for name, metric in METRICS.items()
        if metric.source in schemas
    }
    assert len(missing) == 8
    assert not any(missing.values()), missing
