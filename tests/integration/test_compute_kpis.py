"""compute_kpis on a real lake: the KPIs are what the events say, however they came and whatever happened on the way."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random

import pytest

import compute_kpis
from factories import raw_tables as sample
from factories import shop_events
from shopnow import kpis
from shopnow.dates import add_days_clamped
from shopnow.events import TOPIC_OF, TOPICS, Event, OrderPlaced, Stock, encode
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage import lineage
from shopnow_spark import jobs
from support.kpi_assertions import (
    DERIVED_TABLES,
    assert_derived_from,
    fail_if_spark_starts,
    read,
    read_content,
    versions,
)

START = int(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def shop() -> list[Event]:
    """What happens in a shop in two days, over three dates, in the order of the events."""
    return shop_events.events(shop_events.make_run(sessions=150, seed=7, start=START, days=2))


@pytest.fixture
def refresh(spark):
    return lambda lake: jobs.refresh(lake, lambda: spark)


def test_the_same_tables_in_one_go_and_in_parts(lake, refresh, shop):
    whole, parts = f"{lake}/whole", f"{lake}/parts"
    sample.land(whole, shop)
    refresh(whole)
    assert_derived_from(whole, shop)

    # In two parts, the last of them in another order, and with every tenth event repeated in either part.
    rest, last = shop[: len(shop) // 2], shop[len(shop) // 2 :]
    stock = [event for event in last if isinstance(event, Stock)]
    others = [event for event in last if not isinstance(event, Stock)]
    Random(1).shuffle(others)
    for part in ([*rest, *rest[::10]], [*others, *stock, *shop[::10]]):
        sample.land(parts, part)
        refresh(parts)
    assert_derived_from(parts, shop)
    assert_plain(parts)
    for kpi in kpis.KPIS:
        ignored = ["last_offset"] if kpi is kpis.STOCK_POSITION else []
        assert read_content(parts, kpi.name).drop_columns(ignored) == read_content(whole, kpi.name).drop_columns(
            ignored
        )


def assert_plain(lake: str) -> None:
    """Every reader can read every table."""
    for name in DERIVED_TABLES:
        table = Table(lake, name).open()
        protocol = table.protocol()
        assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)
        assert not protocol.reader_features
        assert not protocol.writer_features
        partitioned_by = {kpi.name: list(kpi.partition_by) for kpi in kpis.KPIS}.get(name, ["event_date"])
        assert table.metadata().partition_columns == partitioned_by


def test_nothing_new_writes_nothing_and_does_not_start_spark(lake, refresh, shop):
    sample.land(lake, shop)
    refresh(lake)
    before = versions(lake)
    assert jobs.refresh(lake, fail_if_spark_starts) == []
    assert versions(lake) == before

    # Compaction rewrites files but no rows.
    for name in ("raw/orders", "raw/stock", "events/orders", "events/stock"):
        Table(lake, name).open().optimize.compact()
    sample.land_records(lake, TOPICS["carts"], [b"not an event"])
    done = refresh(lake)
    assert [(each.table, each.written) for each in done] == [("events/carts", 0)]
    before = versions(lake)
    assert jobs.refresh(lake, fail_if_spark_starts) == []
    assert versions(lake) == before


def test_only_changed_dates_are_computed_anew(lake, refresh, shop):
    late = next(event for event in shop if isinstance(event, OrderPlaced))
    sample.land(lake, [event for event in shop if event is not late])
    refresh(lake)
    sample.land(lake, [late])
    done = {each.table: each for each in refresh(lake)}
    day, following = str(late.event_time.date()), str(add_days_clamped(late.event_time.date(), 1))
    assert set(done) == {"events/orders", *(kpi.name for kpi in kpis.KPIS if "orders" in kpi.topics)}
    for name, days in {"sales_hourly": [day], "sales_daily": [day], "top_products": [day, following]}.items():
        assert list(done[f"kpi/{name}"].dates) == days
    assert_derived_from(lake, shop)

    raw = Table(lake, "raw/orders").version()
    for row in read(lake, "kpi/sales_daily").to_pylist():
        assert json.loads(row["raw_versions"])["orders"] == (raw if str(row["date"]) == day else raw - 1)


def test_records_of_a_recreated_topic_and_of_new_partitions_are_new(lake, refresh, shop):
    orders = [event for event in shop if isinstance(event, OrderPlaced)][:6]
    values = [encode(event) for event in orders]
    sample.land_records(lake, TOPICS["orders"], values[:2])
    refresh(lake)
    sample.land_records(lake, TOPICS["orders"], values[2:4], topic_id="recreated")
    sample.land_records(lake, TOPICS["orders"], values[4:], partition=5)
    refresh(lake)
    assert_derived_from(lake, orders)


def test_two_runs_at_once_count_nothing_twice(lake, refresh, shop):
    sold = [event for event in shop if TOPIC_OF[type(event)].name in {"orders", "stock"}]
    half = len(sold) // 2
    for part in (sold[:half], sold[half:]):
        sample.land(lake, part)
        with ThreadPoolExecutor(2) as runs:
            list(runs.map(refresh, [lake, lake]))
    assert_derived_from(lake, sold)
    assert jobs.refresh(lake, fail_if_spark_starts) == []


def test_says_what_it_wrote_and_when_nothing_is_new(lake, spark, shop, capsys):
    sample.land(lake, shop)
    assert compute_kpis.main(["--lake", lake]) == 0
    written = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert written == [name for name in DERIVED_TABLES if name in written]
    assert_derived_from(lake, shop)
    assert compute_kpis.main(["--lake", lake]) == 0
    assert capsys.readouterr().out == "nothing new\n"
    assert lineage.sources(Table(lake, "events/orders"), Table(lake, "events/orders").version()) == {
        "raw/orders": Table(lake, "raw/orders").version()
    }
