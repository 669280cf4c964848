"""Trying rules on the past."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from shopnow.alerts import backtest, rules
from shopnow.cli.alerts_backtest import since_when
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


def told(found: backtest.Replay) -> list[tuple[str, str, float]]:
    return [
        (each.change.alert.fingerprint, each.change.alert.state, (each.at - START) / timedelta(hours=1))
        for each in found.told
    ]


def test_the_stock_is_looked_at_hour_by_hour(lake, sold):
    sold(
        (10, "Mug", 40), (70, "Mug", 3), (80, "Mug", 2), (130, "Mug", 0), (250, "Mug", 50), (251, "Bowl", 60)
    )
    found = backtest.over(lake, RULES)
    assert told(found) == [
        ("low_stock:mug", "firing", 2),
        ("stock_out:mug", "firing", 3),
        ("stock_out:mug", "resolved", 5),
    ]
    assert found.looks == 5
    assert not DeltaTable.is_deltatable(f"{lake}/alerts")


def test_since_begins_with_what_was_there_then(lake, sold):
    sold((10, "Mug", 0), (60 * 50, "Mug", 50))
    found = backtest.over(lake, RULES, START + timedelta(hours=47))
    assert told(found) == [("stock_out:mug", "firing", 48), ("stock_out:mug", "resolved", 51)]


def test_a_long_stock_out_is_told_again(lake, sold):
    sold((10, "Mug", 0), (60 * 50, "Bowl", 50))
    assert [(each.change.alert.title, each.change.repeated) for each in backtest.over(lake, RULES).told] == [
        ("Sold out", False),
        ("Reminder: Sold out", True),
        ("Reminder: Sold out", True),
    ]


def test_hours_and_days_are_seen_once_they_are_over(lake, table):
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
    found = told(backtest.over(lake, RULES))
    assert found[:2] == [("payment_failures:EUR", "firing", 2), ("payment_failures:EUR", "resolved", 5)]
    assert ("method_failures:paypal/EUR", "firing", 17) in found


def test_it_names_the_rules_it_cannot_try(lake, sold):
    sold((10, "Mug", 0))
    assert backtest.over(lake, RULES).not_replayed == [
        "short_cover",
        "under_reorder_point",
        "pipeline_late",
        "data_incomplete",
    ]


def test_an_empty_lake_has_no_past(lake):
    with pytest.raises(UserError, match="nothing of the past"):
        backtest.over(lake, RULES)


def test_since_is_a_date_a_time_or_a_span():
    now = datetime(2026, 7, 9, tzinfo=UTC)
    assert since_when("2026-07-01", now) == datetime(2026, 7, 1, tzinfo=UTC)
    assert since_when("2026-07-01T10:00:00+02:00", now) == START
    assert since_when("2d", now) == now - timedelta(days=2)
    with pytest.raises(UserError, match="'yesterday' is neither"):
        since_when("yesterday", now)
