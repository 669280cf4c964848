"""rebuild_day on a lake: an intact day keeps its digest, and a damaged day is restored."""

import re
from datetime import UTC, datetime

import msgspec
import pytest
from deltalake import CommitProperties

import rebuild_day
from factories import raw_tables
from factories.events import event, sale
from shopnow import kpis
from shopnow.errors import UserError
from shopnow.events import TOPICS, StockAdjusted, encode
from shopnow.ids import uuid7
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance.amendments import METADATA_KEY, Amendment, Kind, PartitionChange, dumps
from shopnow_spark import jobs, rebuild
from support.kpi_assertions import DERIVED_TABLES, fail_if_spark_starts, read, read_content, versions

DAYS = [datetime(2020, 11, day, 12, tzinfo=UTC) for day in (1, 2)]
DAY = DAYS[0].date()
EVENTS = ["events/orders", "events/payments", "events/stock"]
BY_DAY = [kpi.name for kpi in kpis.KPIS if kpi.partition_by]


@pytest.fixture
def rebuild_first_day(spark):
    """Rebuild the first day of a lake; returns the results by table."""
    return lambda lake: {result.table: result for result in rebuild.rebuild(lake, DAY, lambda: spark)}


def stock_count(day: datetime, quantity: int) -> StockAdjusted:
    """Return a stock event whose id begins with its time, as those of a sale."""
    event_id = uuid7(int(day.timestamp() * 1000), f"{quantity:019x}")
    return event(
        StockAdjusted, day, event_id=event_id, product_id="p", product_name="P", quantity_after=quantity
    )


@pytest.fixture
def intact(local_lake, refresh):
    """A lake of two days, landed in two parts, with repeated events, one of them with another date."""
    events = [event for day in DAYS for event in (*sale(day), *sale(day), stock_count(day, day.day))]
    moved = msgspec.structs.replace(events[0], event_time=DAYS[1])
    raw_tables.land_records(local_lake, TOPICS["orders"], [encode(events[0])], partition=3)
    raw_tables.land(local_lake, events[5:])
    refresh(local_lake)
    raw_tables.land(local_lake, [*events, moved])
    refresh(local_lake)
    return local_lake


def contents(lake: str) -> dict:
    return {name: read_content(lake, name) for name in DERIVED_TABLES if name.startswith("kpi/")} | {
        name: read(lake, name).sort_by("event_id") for name in EVENTS
    }


def test_an_intact_day_is_left_alone_and_a_damaged_day_is_restored(
    intact, refresh, rebuild_first_day, capsys
):
    before, content = versions(intact), contents(intact)
    results = rebuild_first_day(intact)
    assert {name: result.summary().rpartition(" ")[0] for name, result in results.items()} == {
        name: f"{name}: same digest"
        for name in (*EVENTS, *(name for name in BY_DAY if DAY in read(intact, name)["date"].to_pylist()))
    }
    assert versions(intact) == before
    digests = {name: result.after for name, result in results.items()}

    Table(intact, "events/orders").open().delete(f"event_date = '{DAY}' AND source_partition = 0")
    Table(intact, "events/stock").open().delete(f"event_date = '{DAY}'")
    Table(intact, "events/payments").open().update({"amount_cents": "7"}, predicate=f"event_date = '{DAY}'")
    Table(intact, "kpi/sales_daily").open().update({"orders": "70"}, predicate=f"date = '{DAY}'")
    assert rebuild_day.main(["--lake", intact, "--date", str(DAY)]) == 0
    printed = capsys.readouterr().out
    for name in ("events/orders", "events/stock", "events/payments", "kpi/sales_daily"):
        assert re.search(rf"^{name}: rebuilt: digest \w+ -> {digests[name]}$", printed, re.MULTILINE), printed
    assert f"kpi/sales_daily: {DAY} EUR restated: orders 70 -> 2 (rebuild)" in printed
    assert contents(intact) == content
    assert {name: result.after for name, result in rebuild_first_day(intact).items()} == digests
    assert jobs.refresh(intact, fail_if_spark_starts) == []


def test_a_concurrent_refresh_loses_no_row(local_lake, refresh, rebuild_first_day, monkeypatch):
    first, late = list(sale(DAYS[0])), list(sale(DAYS[0]))
    raw_tables.land(local_lake, first)
    refresh(local_lake)
    for name in ("events/orders", "kpi/sales_daily"):
        Table(local_lake, name).open().delete()
    passed = []

    def refresh_first(point: str) -> None:
        """Run a refresh between the comparison of a rebuild and its commit."""
        passed.append(point)
        if point == "rebuild:events" and passed.count(point) == 1:
            raw_tables.land(local_lake, late)
            refresh(local_lake)

    monkeypatch.setattr(rebuild, "failpoint", refresh_first)
    rebuild_first_day(local_lake)
    assert passed.count("rebuild:events") == 2
    assert sorted(read(local_lake, "events/orders")["event_id"].to_pylist()) == sorted(
        [first[0].event_id, late[0].event_id]
    )
    [row] = read(local_lake, "kpi/sales_daily").to_pylist()
    assert (row["orders"], row["paid_cents"]) == (2, 200)


def test_a_day_whose_records_expired_is_left_alone(local_lake, refresh, rebuild_first_day):
    raw_tables.land(local_lake, list(sale(DAYS[0])))
    refresh(local_lake)
    expired = Amendment(Kind.EXPIRY, "old", "test", [PartitionChange("orders-id", 0, expired_below=1)])
    expiry = CommitProperties(custom_metadata={METADATA_KEY: dumps(expired)})
    Table(local_lake, "raw/orders").open().delete(commit_properties=expiry)
    refresh(local_lake)
    before = versions(local_lake)
    with pytest.raises(
        UserError, match=r"^retention has removed records of raw/orders that the events of 2020-11-01"
    ) as error:
        rebuild_first_day(local_lake)
    assert "\n" not in str(error.value)
    assert versions(local_lake) == before
