"""compute_kpis on a real lake: the KPIs match the events, in whatever order and parts they arrive."""

import contextlib
import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from msgspec.structs import replace

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
    assert_events,
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


class Computed(NamedTuple):
    """A lake computed at once, and what the application printed."""

    lake: Path
    output: str


@pytest.fixture(scope="module")
def computed(spark, shop, tmp_path_factory) -> Computed:
    """The lake of the shop's events, which tests must not change."""
    lake = tmp_path_factory.mktemp("computed") / "lake"
    raw_tables.land(f"file://{lake}", shop)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        assert compute_kpis.main(["--lake", f"file://{lake}"]) == 0
    return Computed(lake, output.getvalue())


@pytest.fixture
def computed_copy(computed, tmp_path) -> str:
    """The URI of a copy of the computed lake, for tests that change it."""
    shutil.copytree(computed.lake, tmp_path / "copy")
    return f"file://{tmp_path}/copy"


def test_every_table_is_derived_from_all_events_and_printed(computed, shop):
    lake = f"file://{computed.lake}"
    assert_derived_from(lake, shop)
    written = [line.partition(":")[0] for line in computed.output.splitlines()]
    assert written == [name for name in DERIVED_TABLES if name in written]
    assert lineage.sources(Table(lake, "events/orders"), Table(lake, "events/orders").version()) == {
        "raw/orders": Table(lake, "raw/orders").version()
    }


def test_the_tables_are_the_same_computed_at_once_and_in_parts(computed, local_lake, refresh, shop):
    # In two parts, the second in another order, with every tenth event repeated in each part.
    first, last = shop[: len(shop) // 2], shop[len(shop) // 2 :]
    stock = [event for event in last if isinstance(event, Stock)]
    others = [event for event in last if not isinstance(event, Stock)]
    Random(1).shuffle(others)
    for part in ([*first, *first[::10]], [*others, *stock, *shop[::10]]):
        raw_tables.land(local_lake, part)
        refresh(local_lake)
    assert_events(local_lake, shop)
    assert_plain_features(local_lake)
    # The oracle has approved those computed at once.
    for kpi in kpis.KPIS:
        ignored = ["last_offset"] if kpi is kpis.STOCK_POSITION else []
        assert read_content(local_lake, kpi.name).drop_columns(ignored) == read_content(
            f"file://{computed.lake}", kpi.name
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


def test_without_new_records_nothing_is_written_and_spark_does_not_start(computed_copy, refresh, capsys):
    before = versions(computed_copy)
    assert jobs.refresh(computed_copy, fail_if_spark_starts) == []
    assert compute_kpis.main(["--lake", computed_copy]) == 0
    assert capsys.readouterr().out == "nothing new\n"
    assert versions(computed_copy) == before

    # Compaction rewrites files but no rows.
    for name in ("raw/orders", "raw/stock", "events/orders", "events/stock"):
        Table(computed_copy, name).open().optimize.compact()
    raw_tables.land_records(computed_copy, TOPICS["carts"], [b"not an event"])
    results = refresh(computed_copy)
    assert {name: result.written for name, result in results.items()} == {"events/carts": 0}
    before = versions(computed_copy)
    assert jobs.refresh(computed_copy, fail_if_spark_starts) == []
    assert versions(computed_copy) == before


def test_late_records_of_a_recreated_topic_and_of_a_new_partition_change_only_their_dates(
    computed_copy, refresh, shop
):
    order = next(event for event in shop if isinstance(event, OrderPlaced))
    late = [
        replace(order, event_id=f"{order.event_id[:-4]}00{number:02}", order_id=f"late-{number}")
        for number in range(3)
    ]
    before = Table(computed_copy, "raw/orders").version()
    for event, position in zip(late, ({}, {"topic_id": "recreated"}, {"partition": 5}), strict=True):
        raw_tables.land_records(computed_copy, TOPICS["orders"], [encode(event)], **position)
    results = refresh(computed_copy)
    day, following = str(order.event_time.date()), str(add_days_clamped(order.event_time.date(), 1))
    assert set(results) == {"events/orders", *(kpi.name for kpi in kpis.KPIS if "orders" in kpi.topics)}
    for name, days in {"sales_hourly": [day], "sales_daily": [day], "top_products": [day, following]}.items():
        assert list(results[f"kpi/{name}"].dates) == days
    assert_derived_from(computed_copy, [*shop, *late])
    for row in read(computed_copy, "kpi/sales_daily").to_pylist():
        assert json.loads(row["raw_versions"])["orders"] == before + (3 if str(row["date"]) == day else 0)


def test_two_concurrent_runs_count_nothing_twice(local_lake, refresh, shop):
    sold = [event for event in shop if TOPIC_OF[type(event)].name in {"orders", "stock"}]
    half = len(sold) // 2
    for part in (sold[:half], sold[half:]):
        raw_tables.land(local_lake, part)
        with ThreadPoolExecutor(2) as runs:
            list(runs.map(refresh, [local_lake, local_lake]))
    assert_derived_from(local_lake, sold)
    assert jobs.refresh(local_lake, fail_if_spark_starts) == []
