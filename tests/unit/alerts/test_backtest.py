"""Backtests of alert rules."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from shopnow.alerts import backtest, rules
from shopnow.cli.alerts_backtest import parse_since
from shopnow.errors import UserError
from shopnow.lake.delta.tables import Table

START = datetime(2026, 7, 1, 8, tzinfo=UTC)
RULES = rules.load()


@pytest.fixture
def sold(lake):
    """Writes stock events: (minutes from the start, product, quantity after)."""

    def write(*events: tuple[float, str, int]) -> None:
        rows = [
            {
                "event_time": START + timedelta(minutes=minutes),
                "source_offset": offset,
                "product_id": name.lower(),
                "product_name": name,
                "quantity_after": quantity,
                "event_date": (START + timedelta(minutes=minutes)).date(),
            }
            for offset, (minutes, name, quantity) in enumerate(events)
        ]
        write_deltalake(
            Table(lake, "events/stock").uri, pa.Table.from_pylist(rows), partition_by=["event_date"]
        )

    return write


def notified(result: backtest.Backtest) -> list[tuple[str, str, float]]:
    """Return fingerprint, state and hours since the start of each notification."""
    return [
        (item.change.alert.fingerprint, item.change.alert.state, (item.at - START) / timedelta(hours=1))
        for item in result.notifications
    ]


def test_stock_is_evaluated_every_hour(lake, sold):
    sold(
        (10, "Mug", 40), (70, "Mug", 3), (80, "Mug", 2), (130, "Mug", 0), (250, "Mug", 50), (251, "Bowl", 60)
    )
    result = backtest.run(lake, RULES)
    assert notified(result) == [
        ("low_stock:mug", "firing", 2),
        ("stock_out:mug", "firing", 3),
        ("stock_out:mug", "resolved", 5),
    ]
    assert result.evaluations == 5
    assert not DeltaTable.is_deltatable(f"{lake}/alerts")


def test_since_starts_with_the_state_at_that_time(lake, sold):
    sold((10, "Mug", 0), (60 * 50, "Mug", 50))
    result = backtest.run(lake, RULES, START + timedelta(hours=47))
    assert notified(result) == [("stock_out:mug", "firing", 48), ("stock_out:mug", "resolved", 51)]


def test_a_long_stock_out_is_repeated(lake, sold):
    sold((10, "Mug", 0), (60 * 50, "Bowl", 50))
    assert [
        (item.change.alert.title, item.change.repeated) for item in backtest.run(lake, RULES).notifications
    ] == [
        ("Sold out", False),
        ("Reminder: Sold out", True),
        ("Reminder: Sold out", True),
    ]


def test_hours_and_days_are_visible_once_they_are_over(lake, table):
    failed = (2, 90, 90, 0, 0)
    at = [START + timedelta(hours=hour) for hour in range(len(failed))]
    row = {"date": START.date(), "currency": "EUR"}
    sales = [
        {**row, "hour": hour, "payments_failed": bad, "payments_succeeded": 100 - bad}
        for hour, bad in zip(at, failed, strict=True)
    ]
    table("kpi/sales_hourly", sales)
    table(
        "kpi/payments",
        [
            {
                "date": date(2026, 7, day),
                "currency": "EUR",
                "method": "paypal",
                "attempts": 100,
                "failed": failed,
            }
            for day, failed in ((1, 90), (2, 1))
        ],
    )
    notifications = notified(backtest.run(lake, RULES))
    assert notifications[:2] == [
        ("payment_failures:EUR", "firing", 2),
        ("payment_failures:EUR", "resolved", 5),
    ]
    assert ("method_failures:paypal/EUR", "firing", 17) in notifications


def test_rules_without_history_are_listed(lake, sold):
    sold((10, "Mug", 0))
    assert backtest.run(lake, RULES).skipped_rules == [
        "short_cover",
        "under_reorder_point",
        "pipeline_late",
        "records_held_back",
        "data_incomplete",
        "many_invalid_records",
    ]


def test_an_empty_lake_has_no_history(lake):
    with pytest.raises(UserError, match="has no history"):
        backtest.run(lake, RULES)


def test_since_is_a_date_a_time_or_a_duration():
    now = datetime(2026, 7, 9, tzinfo=UTC)
    assert parse_since("2026-07-01", now) == datetime(2026, 7, 1, tzinfo=UTC)
    assert parse_since("2026-07-01T10:00:00+02:00", now) == START
    assert parse_since("2d", now) == now - timedelta(days=2)
    with pytest.raises(UserError, match="'yesterday': expected a date or time"):
        parse_since("yesterday", now)
