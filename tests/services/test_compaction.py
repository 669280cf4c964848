"""Compaction on a real lake: fewer files with the same rows, also under concurrent commits."""

import os
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hdfs_native import Client
from pyspark.sql import SparkSession

import compact_lake
from factories import raw_tables as sample
from factories.events import payment_record
from shopnow import schemas
from shopnow.audit import digests
from shopnow.broker import topic_state
from shopnow.events import TOPICS
from shopnow.failpoints import ENV_VARIABLE
from shopnow.lake.delta import file_swap, tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import landing
from shopnow.lake.lineage import lineage
from shopnow.local_stack import jvm
from shopnow.local_stack import spark as local
from shopnow.settings import Settings
from shopnow_spark import compaction
from shopnow_spark.refresh_events import refresh_events
from support import kafka_topics

RAW, EVENTS = "raw/payments", "events/orders"
PAYMENTS = TOPICS["payments"]
TOMORROW = datetime.now(UTC).date() + timedelta(days=1)
DAY = date(2026, 11, 1)


@pytest.fixture
def compact(spark) -> Callable:
    return lambda lake, name=RAW: compaction.compact_table(Table(lake, name), TOMORROW, lambda: spark)


def never():
    raise AssertionError("Spark was started although there is nothing to do")


def land(lake: str, *numbers: int) -> None:
    sample.land_records(lake, PAYMENTS, [payment_record(number) for number in numbers])


def land_some(lake: str) -> None:
    """Land three small files with six records, some of them invalid."""
    land(lake, 3, 1)
    sample.land_records(lake, PAYMENTS, [None, b"", b"\xff\x00"], partition=1)
    land(lake, 2)


def add_orders(lake: str, *numbers: int, event_date: date = DAY) -> None:
    time = datetime.combine(event_date, datetime.min.time(), UTC)
    schema = schemas.events(TOPICS["orders"])
    item = {"product_id": "p", "product_name": None, "category": "ü", "quantity": 1, "unit_price_cents": 5}
    rows = [
        {
            "event_type": "order_placed",
            "event_id": f"{number:08}",
            "event_time": time + timedelta(seconds=number, microseconds=number),
            "items": [item] * (number % 3) if number else None,
            "source_topic_id": "id",
            "source_partition": 0,
            "source_offset": number,
            "event_date": event_date,
        }
        for number in numbers
    ]
    write_deltalake(
        Table(lake, EVENTS).ensure(schema, ["event_date"]), pa.Table.from_pylist(rows, schema), mode="append"
    )


def rows(lake: str, name: str = RAW, version: int | None = None) -> list[str]:
    """Return the table's rows as text, sorted."""
    return sorted(map(repr, tables.read(Table(lake, name).open(version)).to_pylist()))


def files(lake: str, name: str = RAW) -> int:
    return len(Table(lake, name).open().file_uris())


def test_writes_the_same_rows_to_few_sorted_files_with_statistics(lake, spark, capsys):
    land_some(lake)
    land(lake, *range(10, 20))
    for numbers in ([7, 0], [5], [6, 1]):
        add_orders(lake, *numbers)
        add_orders(lake, *numbers, event_date=TOMORROW)
    before = {name: rows(lake, name) for name in (RAW, EVENTS)}
    assert compact_lake.main(["--lake", lake, "--before", str(TOMORROW)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{EVENTS}: 3 files into 1, 5 rows in 1 partitions",
        f"{RAW}: 4 files into 1, 16 rows in 1 partitions",
    ]
    assert (files(lake), files(lake, EVENTS)) == (1, 4)
    assert {name: rows(lake, name) for name in before} == before
    # Spark's Delta reader returns the same rows.
    for name, expected in before.items():
        frame = spark.read.format("delta").load(Table(lake, name).uri)
        schema = pa.schema(Table(lake, name).open().schema().to_arrow())
        assert sorted(map(repr, frame.toArrow().cast(schema).to_pylist())) == expected

    table = tables.read(Table(lake, RAW).open())
    assert table.sort_by([(column, "ascending") for column in ("topic_id", "partition", "offset")]) == table
    [orders] = (action for action in add_actions(lake, EVENTS) if action["partition.event_date"] == DAY)
    assert (orders["num_records"], orders["min.event_id"], orders["max.source_offset"]) == (5, "00000000", 7)
    # Times have microseconds, statistics milliseconds; the bounds still include every row.
    assert orders["min.event_time"] == datetime(2026, 11, 1, tzinfo=UTC)
    assert orders["max.event_time"] == datetime(2026, 11, 1, 0, 0, 7, 1000, tzinfo=UTC)
    assert (
        Table(lake, EVENTS)
        .open()
        .file_uris(file_pruning_predicate="event_id > '00000009' AND event_date = DATE '2026-11-01'")
        == []
    )

    assert files_with_problems(lake) == 1
    assert compaction.compact(lake, TOMORROW, never) == []


def add_actions(lake: str, name: str) -> list[dict]:
    return pa.table(Table(lake, name).open().get_add_actions(flatten=True)).to_pylist()


def files_with_problems(lake: str) -> int:
    return len(Table(lake, RAW).open().file_uris(file_pruning_predicate="problem IS NOT NULL"))


def test_statistics_let_readers_skip_files_without_problems(lake, compact):
    for number in range(3):
        land(lake, number)
    compact(lake)
    assert (files(lake), files_with_problems(lake)) == (1, 0)


def test_repeated_events_are_found_in_compacted_files(lake, spark, compact):
    for number in range(3):
        land(lake, number, number + 10)
        refresh_events(lake, PAYMENTS, lambda: spark)
    assert compact(lake, "events/payments").files_after == 1
    land(lake, *range(13))
    assert refresh_events(lake, PAYMENTS, lambda: spark).written == 7
    assert Table(lake, "events/payments").open().count() == 13


def test_compaction_is_no_change_for_lineage(lake, compact):
    land_some(lake)
    before = Table(lake, RAW).version()
    compact(lake)
    after = Table(lake, RAW).version()
    assert after == before + 1
    assert lineage.new_offsets(Table(lake, RAW), before, after) == []
    assert lineage.latest_equivalent_version(Table(lake, RAW), before, after) == after
    assert rows(lake, version=before) == rows(lake)


def test_rejects_new_files_that_do_not_hold_the_rows_read(lake, compact, monkeypatch):
    land_some(lake)
    before, version = rows(lake), Table(lake, RAW).version()
    write = compaction.write
    tampered = "coalesce(value, cast('' AS BINARY)) AS value"  # a null became an empty value
    monkeypatch.setattr(
        compaction,
        "write",
        lambda rows, *args: write(rows.selectExpr(*other_columns(rows, "value"), tampered), *args),
    )
    with pytest.raises(
        compaction.UserError,
        match=rf"^{RAW}, ingest_date=\S+: compacted files do not hold the rows that were read: 6 rows",
    ):
        compact(lake)
    assert Table(lake, RAW).version() == version
    assert rows(lake) == before
    assert len(data_files_on_disk(lake)) == 3
    monkeypatch.undo()
    assert compact(lake).files_after == 1


def other_columns(frame, name: str) -> list[str]:
    return [f"`{column}`" for column in frame.columns if column != name]


def data_files_on_disk(lake: str, name: str = RAW) -> list[str]:
    """Return every data file below the table's folder, whether a commit names it or not."""
    address = lake.split("/", 3)
    entries = Client("/".join(address[:3])).list_status(f"/{address[3]}/{name}", recursive=True)
    paths = [entry.path for entry in entries]
    return [path for path in paths if path.endswith(".parquet") and "/_delta_log/" not in path]


def land_concurrently(lake: str) -> None:
    land(lake, 4, 5)


def compact_concurrently(lake: str) -> None:
    compaction.compact_table(Table(lake, RAW), TOMORROW, SparkSession.builder.getOrCreate)


def delete_concurrently(lake: str) -> None:
    Table(lake, RAW).open().delete('"partition" = 1')


@pytest.mark.parametrize(
    ("point", "commit_concurrently"),
    [
        ("compact:plan", land_concurrently),
        ("compact:checked", compact_concurrently),
        ("compact:commit", land_concurrently),
        ("compact:commit", delete_concurrently),
    ],
)
def test_concurrent_commits_are_neither_lost_nor_undone(
    lake, compact, monkeypatch, point: str, commit_concurrently: Callable[[str], None]
):
    land_some(lake)
    expected: list[list[str]] = []

    def overtake(reached: str) -> None:
        if reached == point and not expected:
            monkeypatch.undo()
            commit_concurrently(lake)
            expected.append(rows(lake))

    monkeypatch.setattr(compaction, "failpoint", overtake)
    compact(lake)
    assert rows(lake) == expected[0]
    assert files(lake) <= 2


def test_a_concurrent_compaction_does_not_stop_the_landing(lake, kafka, compact, monkeypatch):
    conf = {"bootstrap.servers": kafka}
    compactions: list[compaction.Compacted] = []

    def compact_now(reached: str) -> None:
        if reached == "land:commit" and not compactions:
            compactions.append(compact(lake))

    with kafka_topics.topic(conf) as topic:
        for number in range(4):
            kafka_topics.send(conf, topic, [payment_record(number), b"nope"], partition=0)
            if number == 3:
                monkeypatch.setattr(landing, "failpoint", compact_now)
            assert landing.land(conf, lake, PAYMENTS, kafka_topic=topic).rows == 2
        topic_id = topic_state.topic_id(conf, topic)
        in_kafka = digests.kafka_digests(conf, topic, {0: (0, 8)})
        assert digests.raw_digests(Table(lake, RAW).open(), topic_id) == in_kafka
    assert compactions[0].files_before == 3
    assert files(lake) == 2


def test_a_killed_run_leaves_the_table_old_or_new(lake, compact, monkeypatch):
    class Killed(BaseException):
        pass

    land_some(lake)
    before = rows(lake)
    for point in compaction.FAILPOINTS:

        def die(reached: str, point: str = point) -> None:
            if reached == point:
                raise Killed

        monkeypatch.setattr(compaction, "failpoint", die)
        with pytest.raises(Killed):
            compact(lake)
        assert (rows(lake), files(lake)) == (before, 1 if point == "compact:committed" else 3)


def test_the_run_after_a_killed_application_compacts_the_table(lake, compact, tmp_path):
    land_some(lake)
    before = rows(lake)
    settings = Settings(data_dir=tmp_path)
    environment = os.environ | local.environment(settings, jvm.java_home(settings.data_dir))
    command = local.submit_command("compact_lake.py", "--lake", lake, "--before", str(TOMORROW))
    killed = subprocess.run(
        command,
        env=environment | {ENV_VARIABLE: "compact:commit"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL, 1}, killed.stderr
    assert (rows(lake), files(lake)) == (before, 3)
    assert compact(lake).files_after == 1
    assert (rows(lake), files(lake)) == (before, 1)


def test_a_commit_whose_response_was_lost_is_not_repeated(lake, compact, monkeypatch):
    land_some(lake)
    before = rows(lake)
    commit = file_swap.DeltaTable.create_write_transaction

    def lose_the_response(*args, **options):
        commit(*args, **options)
        raise file_swap.CommitFailedError("the response was lost")

    monkeypatch.setattr(file_swap.DeltaTable, "create_write_transaction", lose_the_response)
    assert compact(lake).files_after == 1
    assert (rows(lake), files(lake)) == (before, 1)
