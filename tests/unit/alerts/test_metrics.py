"""The figures rules look at, from rows of tables."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from factories.alert_factory import cover
from shopnow.alerts.engine import Observation
from shopnow.alerts.metrics import FIGURES
from shopnow.kpis import KPIS

NOW = datetime(2026, 7, 2, 12, tzinfo=UTC)
DAY = date(2026, 7, 2)


def observe(figure: str, *rows: dict[str, Any]) -> list[Observation]:
    return FIGURES[figure].observe(figure, rows, NOW)


def test_no_rows_are_no_observation():
    assert [observe(figure) for figure in FIGURES] == [[]] * len(FIGURES)


def test_cover_is_measured_against_what_a_delivery_takes():
    [seen] = observe("share_of_lead_time", cover())
    assert (seen.subject, seen.value, seen.facts) == (
        "p-1",
        0.5,
        "6 left, enough for 2.0 days; a delivery takes 4.0",
    )
    [seen] = observe("share_of_reorder_point", cover())
    assert (seen.value, seen.facts) == (0.5, "6 left, its reorder point is 12")


def test_a_product_that_nobody_asks_for_has_no_cover():
    assert observe("share_of_lead_time", cover(days_of_cover=None)) == []
    assert observe("share_of_reorder_point", cover(reorder_point=0)) == []


def test_sales_are_the_newest_hour_of_each_currency_and_count_only_beyond_chance():
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
    seen = observe("share_of_expected", *rows)
    assert {each.subject: each.value for each in seen} == {"orders/EUR": 0.2, "orders/USD": 1.0}
    assert seen[0].facts == "2 in the hour from 10:00 UTC, 10 expected"


def test_payments_are_those_of_the_newest_hours_of_a_currency():
    def row(hour: int, failed: int, succeeded: int) -> dict[str, Any]:
        return {
            "hour": NOW.replace(hour=hour),
            "currency": "EUR",
            "payments_failed": failed,
            "payments_succeeded": succeeded,
        }

    [seen] = observe("share_of_payments_failed", row(8, 90, 0), row(9, 20, 60), row(10, 10, 10))
    assert (seen.value, seen.of, seen.facts) == (0.3, 100, "30%: 30 of 100 failed in 2 hours")
    assert observe("share_of_payments_failed", row(8, 0, 0)) == []


def test_each_payment_method_is_looked_at_on_its_newest_day():
    def row(day: int, method: str, failed: int) -> dict[str, Any]:
        return {
            "date": date(2026, 7, day),
            "currency": "EUR",
            "method": method,
            "attempts": 50,
            "failed": failed,
        }

    seen = observe("share_of_method_failed", row(1, "card", 50), row(2, "card", 5), row(1, "paypal", 25))
    assert {each.subject: each.value for each in seen} == {"card/EUR": 0.1, "paypal/EUR": 0.5}


def test_overdue_deliveries_are_a_share_of_the_open_ones():
    newest = {"date": DAY, "as_of": NOW, "overdue": 3, "pending": 20, "in_transit": 40}
    before = {
        "date": DAY - timedelta(days=1),
        "as_of": NOW - timedelta(days=1),
        "overdue": 30,
        "pending": 20,
        "in_transit": 40,
    }
    [seen] = observe("share_of_deliveries_overdue", before, newest)
    assert (seen.value, seen.of, seen.at, seen.facts) == (
        0.05,
        60,
        NOW,
        "5%: 3 of 60 open deliveries are overdue",
    )


def test_rows_missing_count_on_the_newest_day_only_and_not_known_is_not_none():
    def value(*missing: int | None) -> float:
        old = {"date": DAY - timedelta(days=1), "missing_rows": 9}
        return observe("missing_rows", old, *({"date": DAY, "missing_rows": each} for each in missing))[
            0
        ].value

    assert [value(0, 0), value(0, 7), value(0, None), value(5, None)] == [0, 7, 1, 5]


def test_the_newest_audit_counts():
    def row(hour: int, ok: bool) -> dict[str, Any]:
        return {
            "audited_at": NOW.replace(hour=hour),
            "check": "raw = receipts",
            "ok": ok,
            "detail": "raw/orders 0/17 differs",
        }

    assert observe("broken_checks", row(1, False), row(2, True))[0].value == 0
    [seen] = observe("broken_checks", row(1, True), row(2, True), row(2, False))
    assert (seen.value, seen.facts) == (1, "raw = receipts: raw/orders 0/17 differs")


def test_records_that_wait_are_told_by_the_time_of_their_landing():
    seen = observe(
        "minutes_landed_unused",
        {"topic": "orders", "since": NOW - timedelta(minutes=45)},
        {"topic": "carts", "since": None},
    )
    assert [(each.subject, each.value) for each in seen] == [("orders", 45), ("carts", 0)]


def test_figures_are_made_of_columns_that_the_kpis_have():
    schemas = {kpi.name: set(kpi.schema.names) for kpi in KPIS}
    lacking = {
        name: set(figure.columns) - schemas[figure.source]
        for name, figure in FIGURES.items()
        if figure.source in schemas
    }
    assert len(lacking) == 8
    assert not any(lacking.values()), lacking
