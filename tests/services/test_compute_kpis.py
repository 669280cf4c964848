"""compute_kpis on a real lake: the KPIs match the events, in whatever order and parts they arrive."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random

import pytest

import compute_kpis
from factories import raw_tables, shop_events
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
    """The events of a simulated shop in two days, on three dates, in order."""
    return shop_events.events(shop_events.make_run(sessions=150, seed=7, start=START, days=2))


def test_the_tables_are_the_same_computed_at_once_and_in_parts(local_lake, refresh, shop):
    at_once, parts = f"{local_lake}/at-once", f"{local_lake}/parts"
    raw_tables.land(at_once, shop)
    refresh(at_once)
    assert_derived_from(at_once, shop)

    # In two parts, the second in another order, with every tenth event repeated in each part.
    first, last = shop[: len(shop) // 2], shop[len(shop) // 2 :]
    stock = [event for event in last if isinstance(event, Stock)]
    others = [event for event in last if not isinstance(event, Stock)]
    Random(1).shuffle(others)
    for part in ([*first, *first[::10]], [*others, *stock, *shop[::10]]):
        raw_tables.land(parts, part)
        refresh(parts)
    assert_derived_from(parts, shop)
    assert_plain_features(parts)
    for kpi in kpis.KPIS:
        ignored = ["last_offset"] if kpi is kpis.STOCK_POSITION else []
        assert read_content(parts, kpi.name).drop_columns(ignored) == read_content(
            at_once, kpi.name
        ).drop_columns(ignored)


def assert_plain_features(lake: str) -> None:
    """Assert that every table has the protocol versions that all readers support."""
    for name in DERIVED_TABLES:
        table = Table(lake, name).open()
        protocol = table.protocol()
        assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)
        assert not protocol.reader_features
        assert not protocol.writer_features
        partitioned_by = {kpi.name: list(kpi.partition_by) for kpi in kpis.KPIS}.get(name, ["event_date"])
        assert table.metadata().partition_columns == partitioned_by


def test_without_new_records_nothing_is_written_and_spark_does_not_start(local_lake, refresh, shop):
    raw_tables.land(local_lake, shop)
    refresh(local_lake)
    before = versions(local_lake)
    assert jobs.refresh(local_lake, fail_if_spark_starts) == []
    assert versions(local_lake) == before

    # Compaction rewrites files but no rows.
    for name in ("raw/orders", "raw/stock", "events/orders", "events/stock"):
        Table(local_lake, name).open().optimize.compact()
    raw_tables.land_records(local_lake, TOPICS["carts"], [b"not an event"])
    results = refresh(local_lake)
    assert {name: result.written for name, result in results.items()} == {"events/carts": 0}
    before = versions(local_lake)
    assert jobs.refresh(local_lake, fail_if_spark_starts) == []
    assert versions(local_lake) == before


def test_only_changed_dates_are_recomputed(local_lake, refresh, shop):
    late = next(event for event in shop if isinstance(event, OrderPlaced))
    raw_tables.land(local_lake, [event for event in shop if event is not late])
    refresh(local_lake)
    raw_tables.land(local_lake, [late])
    results = refresh(local_lake)
    day, following = str(late.event_time.date()), str(add_days_clamped(late.event_time.date(), 1))
    assert set(results) == {"events/orders", *(kpi.name for kpi in kpis.KPIS if "orders" in kpi.topics)}
    for name, days in {"sales_hourly": [day], "sales_daily": [day], "top_products": [day, following]}.items():
        assert list(results[f"kpi/{name}"].dates) == days
    assert_derived_from(local_lake, shop)

    raw = Table(local_lake, "raw/orders").version()
    for row in read(local_lake, "kpi/sales_daily").to_pylist():
        assert json.loads(row["raw_versions"])["orders"] == (raw if str(row["date"]) == day else raw - 1)


def test_records_of_a_recreated_topic_and_of_new_partitions_are_new(local_lake, refresh, shop):
    orders = [event for event in shop if isinstance(event, OrderPlaced)][:6]
    values = [encode(event) for event in orders]
    raw_tables.land_records(local_lake, TOPICS["orders"], values[:2])
    refresh(local_lake)
    raw_tables.land_records(local_lake, TOPICS["orders"], values[2:4], topic_id="recreated")
    raw_tables.land_records(local_lake, TOPICS["orders"], values[4:], partition=5)
    refresh(local_lake)
    assert_derived_from(local_lake, orders)


def test_two_concurrent_runs_count_nothing_twice(local_lake, refresh, shop):
    sold = [event for event in shop if TOPIC_OF[type(event)].name in {"orders", "stock"}]
    half = len(sold) // 2
    for part in (sold[:half], sold[half:]):
        raw_tables.land(local_lake, part)
        with ThreadPoolExecutor(2) as runs:
            list(runs.map(refresh, [local_lake, local_lake]))
    assert_derived_from(local_lake, sold)
    assert jobs.refresh(local_lake, fail_if_spark_starts) == []


def test_prints_the_tables_it_wrote_or_that_nothing_is_new(local_lake, spark, shop, capsys):
    raw_tables.land(local_lake, shop)
    assert compute_kpis.main(["--lake", local_lake]) == 0
    written = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert written == [name for name in DERIVED_TABLES if name in written]
    assert_derived_from(local_lake, shop)
    assert compute_kpis.main(["--lake", local_lake]) == 0
    assert capsys.readouterr().out == "nothing new\n"
    assert lineage.sources(
        Table(local_lake, "events/orders"), Table(local_lake, "events/orders").version()
    ) == {"raw/orders": Table(local_lake, "raw/orders").version()}
