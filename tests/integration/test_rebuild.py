"""rebuild_day on a real lake: the same digest where nothing is wrong, and what was damaged as it was before."""

import re
from datetime import UTC, datetime

import msgspec
import pytest
from deltalake import CommitProperties

import rebuild_day
from factories import raw_tables as sample
from factories.events import sale
from shopnow import kpis
from shopnow.errors import UserError
from shopnow.events import SCHEMA_VERSION, TOPICS, StockAdjusted, encode
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
def refresh(spark):
    return lambda lake: jobs.refresh(lake, lambda: spark)


@pytest.fixture
def rebuilt(spark):
    """Rebuilds the first day; what was done, by table."""
    return lambda lake: {each.table: each for each in rebuild.rebuild(lake, DAY, lambda: spark)}


def counted(day: datetime, quantity: int) -> StockAdjusted:
    id_ = uuid7(int(day.timestamp() * 1000), f"{quantity:019x}")
    what = {
        "product_id": "p",
        "product_name": "P",
        "quantity_change": 1,
        "quantity_after": quantity,
        "reason": "counted",
    }
    return StockAdjusted(event_id=id_, event_time=day, schema_version=SCHEMA_VERSION, **what)


@pytest.fixture
def sound(lake, refresh):
    """A lake of two days, in two parts, with events repeated under another record and one under another day."""
    events = [event for day in DAYS for event in (*sale(day), *sale(day), counted(day, day.day))]
    moved = msgspec.structs.replace(events[0], event_time=DAYS[1])
    sample.land_records(lake, TOPICS["orders"], [encode(events[0])], partition=3)
    sample.land(lake, events[5:])
    refresh(lake)
    sample.land(lake, [*events, moved])
    refresh(lake)
    return lake


def contents(lake: str) -> dict:
    return {name: read_content(lake, name) for name in DERIVED_TABLES if name.startswith("kpi/")} | {
        name: read(lake, name).sort_by("event_id") for name in EVENTS
    }


def test_a_sound_day_is_left_alone_and_a_damaged_one_restored(sound, refresh, rebuilt, capsys):
    before, whole = versions(sound), contents(sound)
    done = rebuilt(sound)
    assert {name: each.summary().rpartition(" ")[0] for name, each in done.items()} == {
        name: f"{name}: same digest"
        for name in (*EVENTS, *(name for name in BY_DAY if DAY in read(sound, name)["date"].to_pylist()))
    }
    assert versions(sound) == before
    digests = {name: each.after for name, each in done.items()}

    Table(sound, "events/orders").open().delete(f"event_date = '{DAY}' AND source_partition = 0")
    Table(sound, "events/stock").open().delete(f"event_date = '{DAY}'")
    Table(sound, "events/payments").open().update({"amount_cents": "7"}, predicate=f"event_date = '{DAY}'")
    Table(sound, "kpi/sales_daily").open().update({"orders": "70"}, predicate=f"date = '{DAY}'")
    assert rebuild_day.main(["--lake", sound, "--date", str(DAY)]) == 0
    printed = capsys.readouterr().out
    for name in ("events/orders", "events/stock", "events/payments", "kpi/sales_daily"):
        assert re.search(rf"^{name}: rebuilt: digest \w+ -> {digests[name]}$", printed, re.MULTILINE), printed
    assert f"kpi/sales_daily: {DAY} EUR restated: orders 70 -> 2 (rebuild)" in printed
    assert contents(sound) == whole
    assert {name: each.after for name, each in rebuilt(sound).items()} == digests
    assert jobs.refresh(sound, fail_if_spark_starts) == []


def test_beside_a_refresh_no_row_is_lost(lake, refresh, rebuilt, spark, monkeypatch):
    first, late = list(sale(DAYS[0])), list(sale(DAYS[0]))
    sample.land(lake, first)
    refresh(lake)
    for name in ("events/orders", "kpi/sales_daily"):
        Table(lake, name).open().delete()
    passed = []

    def refresh_first(point: str) -> None:
        """Another run comes first, between what a rebuild compared and its commit."""
        passed.append(point)
        if point == "rebuild:events" and passed.count(point) == 1:
            sample.land(lake, late)
            refresh(lake)

    monkeypatch.setattr(rebuild, "failpoint", refresh_first)
    rebuilt(lake)
    assert passed.count("rebuild:events") == 2
    assert sorted(read(lake, "events/orders")["event_id"].to_pylist()) == sorted(
        [first[0].event_id, late[0].event_id]
    )
    [row] = read(lake, "kpi/sales_daily").to_pylist()
    assert (row["orders"], row["paid_cents"]) == (2, 200)


def test_a_day_whose_records_are_gone_is_left_as_it_is(lake, refresh, rebuilt):
    sample.land(lake, list(sale(DAYS[0])))
    refresh(lake)
    expired = Amendment(Kind.EXPIRY, "old", "test", [PartitionChange("orders-id", 0, expired_below=1)])
    expiry = CommitProperties(custom_metadata={METADATA_KEY: dumps(expired)})
    Table(lake, "raw/orders").open().delete(commit_properties=expiry)
    refresh(lake)
    before = versions(lake)
    with pytest.raises(
        UserError, match=r"^retention has removed records of raw/orders that the events of 2020-11-01"
    ) as error:
        rebuilt(lake)
    assert "\n" not in str(error.value)
    assert versions(lake) == before
