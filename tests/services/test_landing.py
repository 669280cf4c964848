"""Landing on a real Kafka and a real HDFS: each record exactly once, also under concurrent commits."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Producer

from factories.events import payment_record
from shopnow import events
from shopnow.audit import digests
from shopnow.broker import topic_state
from shopnow.errors import UserError
from shopnow.lake.delta import hdfs
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import Kind
from shopnow.lake.ingest import batches, landing, offsets, receipts
from shopnow.lake.ingest.landing import LandingResult, land
from shopnow.lake.ingest.plan import PartitionShard
from shopnow.schemas import RAW
from support.kafka_topics import PARTITIONS, add_partitions, send, topic

PAYMENTS = events.TOPICS["payments"]


@pytest.fixture
def conf(kafka: str) -> dict[str, str]:
    return {"bootstrap.servers": kafka}


@pytest.fixture
def name(conf: dict[str, str]) -> Iterator[str]:
    """Yield the name of a topic of this test."""
    with topic(conf) as name:
        yield name


def rows(lake: str) -> list[dict[str, Any]]:
    """Return the rows of raw, sorted by partition and offset."""
    unsorted = pa.table(Table(lake, "raw/payments").open().scan()).to_pylist()
    return sorted(unsorted, key=lambda row: (row["partition"], row["offset"]))


def assert_exactly_once(conf: dict[str, str], lake: str, name: str, records: int) -> None:
    """Assert that raw holds each committed record of the topic once and that offsets and receipts agree."""
    state = topic_state.describe(conf, [name])[name]
    in_raw = digests.raw_digests(Table(lake, "raw/payments").open(), state.topic_id)
    in_kafka = digests.kafka_digests(conf, name, state.partitions)
    assert in_raw == {partition: digest for partition, digest in in_kafka.items() if digest.rows}
    assert sum(digest.rows for digest in in_raw.values()) == records
    end_offsets = {
        offsets.app_id(state.topic_id, partition): end or None
        for partition, (_, end) in state.partitions.items()
    }
    table = Table(lake, "raw/payments").open()
    assert {app: table.transaction_version(app) for app in end_offsets} == end_offsets
    of_topic = [
        row
        for row in receipts.read(Table(lake, "raw/payments")).to_pylist()
        if row["topic_id"] == state.topic_id
    ]
    for partition, digest in in_raw.items():
        parts = [row for row in of_topic if row["partition"] == partition]
        assert [row["start_offset"] for row in parts[1:]] == [row["end_offset"] for row in parts[:-1]]
        assert sum(row["rows"] for row in parts) == digest.rows


def test_lands_each_record_once_and_nothing_without_new_records(
    conf: dict[str, str], lake: str, name: str
) -> None:
    send(conf, name, [payment_record(number) for number in range(1000)])
    first = land(conf, lake, PAYMENTS, kafka_topic=name)
    assert (first.rows, first.quarantined, first.markers, first.commits) == (1000, 0, 0, 1)
    again = land(conf, lake, PAYMENTS, kafka_topic=name)
    assert (again.rows, again.commits, again.offsets, again.version) == (0, 0, {}, first.version)
    send(conf, name, [payment_record(number) for number in range(1000, 1500)])
    assert land(conf, lake, PAYMENTS, kafka_topic=name).rows == 500
    assert_exactly_once(conf, lake, name, 1500)


def test_lands_a_backlog_of_many_batches(conf: dict[str, str], lake: str, name: str) -> None:
    send(conf, name, [payment_record(number) for number in range(3000)])
    landed = land(conf, lake, PAYMENTS, kafka_topic=name, batch_rows=200)
    assert landed.rows == 3000
    assert landed.offsets == topic_state.describe(conf, [name])[name].partitions
    assert_exactly_once(conf, lake, name, 3000)


def test_invalid_records_land_with_their_problem_and_valid_ones_without(
    conf: dict[str, str], lake: str, name: str
) -> None:
    huge = b'{"note":"' + b"x" * (2 << 20) + b'"}'
    expected = {
        payment_record(1): None,
        b"nope": "invalid JSON (invalid character, byte 4)",
        payment_record(2).replace(
            b'"amount_cents":2', b'"amount_cents":"2"'
        ): "wrong type: amount_cents (expected int, got str)",
        None: "no value",
        b"": "empty value",
        huge: f"too large (at most {1 << 20} bytes, has {len(huge)})",
        payment_record(3).replace(b"order-3", b"\xff\xfe"): "invalid UTF-8 (byte 71)",
        payment_record(4).replace(
            b"payment_succeeded", b"payment_lost"
        ): "unknown event type ('payment_lost')",
        payment_record(5).replace(b'"order_id"', b'"other_id"'): "missing field: order_id",
        payment_record(6): None,
    }
    send(conf, name, list(expected), partition=0)
    landed = land(conf, lake, PAYMENTS, kafka_topic=name)
    assert (landed.rows, landed.quarantined) == (len(expected), len(expected) - 2)
    assert [(row["value"], row["problem"]) for row in rows(lake)] == list(expected.items())
    assert_exactly_once(conf, lake, name, len(expected))


def test_keeps_key_timestamp_and_headers(conf: dict[str, str], lake: str, name: str) -> None:
    send(conf, name, [payment_record(0)], partition=1, headers=[("producer", b"me"), ("empty", None)])
    land(conf, lake, PAYMENTS, kafka_topic=name)
    [row] = rows(lake)
    assert (row["partition"], row["offset"], row["key"]) == (1, 0, b"key-0")
    assert row["headers"] == [{"key": "producer", "value": b"me"}, {"key": "empty", "value": None}]
    assert row["timestamp"].date() == row["ingest_date"]


def test_only_committed_transactions_land(conf: dict[str, str], lake: str, name: str) -> None:
    producer = Producer({**conf, "transactional.id": name})
    producer.init_transactions()

    def transaction(value: bytes) -> None:
        producer.begin_transaction()
        for _ in range(10):
            producer.produce(name, value, partition=0)
        producer.flush()

    transaction(payment_record(0))
    producer.commit_transaction()
    transaction(payment_record(1))
    producer.abort_transaction()
    transaction(payment_record(2))
    first = land(conf, lake, PAYMENTS, kafka_topic=name)
    assert (first.rows, first.markers, first.offsets) == (10, 12, {0: (0, 22)})
    producer.commit_transaction()
    second = land(conf, lake, PAYMENTS, kafka_topic=name)
    assert (second.rows, second.markers) == (10, 1)
    assert [row["value"] for row in rows(lake)] == [payment_record(0)] * 10 + [payment_record(2)] * 10
    transaction(payment_record(3))
    producer.abort_transaction()
    third = land(conf, lake, PAYMENTS, kafka_topic=name)
    assert (third.rows, third.markers, third.commits) == (0, 11, 1)
    assert land(conf, lake, PAYMENTS, kafka_topic=name).commits == 0
    assert_exactly_once(conf, lake, name, 20)


def test_added_partitions_land_from_their_first_record(conf: dict[str, str], lake: str, name: str) -> None:
    send(conf, name, [payment_record(0)], partition=0)
    land(conf, lake, PAYMENTS, kafka_topic=name)
    add_partitions(conf, name, PARTITIONS + 1)
    send(conf, name, [payment_record(1)], partition=PARTITIONS)
    assert land(conf, lake, PAYMENTS, kafka_topic=name).offsets == {PARTITIONS: (0, 1)}


def test_an_unreachable_kafka_is_one_clear_line(lake: str, nowhere: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"^Kafka at 127\.0\.0\.1:1 .*$"):
        land(nowhere, lake, PAYMENTS)


@pytest.mark.parametrize("address", ["hdfs://127.0.0.1:1/lake", "/lake", "s3://bucket/lake"])
def test_an_unreachable_lake_is_one_clear_line(conf: dict[str, str], name: str, address: str) -> None:
    with pytest.raises(UserError, match=f"^the lake.*{address}.*$"):
        land(conf, address, PAYMENTS, kafka_topic=name)


def land_in_batches(conf: dict[str, str], lake: str, name: str) -> LandingResult:
    return land(conf, lake, PAYMENTS, kafka_topic=name, batch_rows=200)


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Two processes, for runs at the same time."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


def test_concurrent_runs_land_each_record_once(
    conf: dict[str, str], lake: str, name: str, processes: ProcessPoolExecutor
) -> None:
    send(conf, name, [payment_record(number) for number in range(3000)])
    runs = [processes.submit(land_in_batches, conf, lake, name) for _ in range(2)]
    assert sum(run.result().rows for run in runs) == 3000
    assert_exactly_once(conf, lake, name, 3000)


def land_shard(conf: dict[str, str], lake: str, name: str, shard: PartitionShard) -> LandingResult:
    return land(conf, lake, PAYMENTS, kafka_topic=name, batch_rows=200, shard=shard)


def test_concurrent_runs_land_one_shard_each(
    conf: dict[str, str], lake: str, name: str, processes: ProcessPoolExecutor
) -> None:
    send(conf, name, [payment_record(number) for number in range(3000)])
    runs = [processes.submit(land_shard, conf, lake, name, PartitionShard(number, 2)) for number in range(2)]
    first, second = (run.result() for run in runs)
    assert (set(first.offsets), set(second.offsets)) == ({0, 2}, {1})
    assert first.rows + second.rows == 3000
    assert_exactly_once(conf, lake, name, 3000)


@pytest.mark.parametrize("point", landing.FAILPOINTS)
def test_a_run_that_loses_a_conflict_at_any_point_repeats_nothing(
    conf: dict[str, str], lake: str, name: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(conf, name, [payment_record(number) for number in range(1000)])
    winner: list[LandingResult] = []

    def overtake(reached: str) -> None:
        if reached == point and not winner:
            monkeypatch.undo()
            winner.append(land_in_batches(conf, lake, name))

    for module in (landing, batches, hdfs):
        monkeypatch.setattr(module, "failpoint", overtake)
    loser = land_in_batches(conf, lake, name)
    assert winner[0].rows > 0
    assert loser.rows + winner[0].rows == 1000
    assert_exactly_once(conf, lake, name, 1000)


def test_a_concurrent_amendment_does_not_stop_the_landing(
    conf: dict[str, str], lake: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The table was created before the correction column, so the amendment also adds it.
    Table(lake, "raw/payments").ensure(
        pa.schema([field for field in RAW if field.name != "correction"]),
        landing.PARTITION_BY,
    )
    send(conf, name, [b"nope", *(payment_record(number) for number in range(500))])
    land_in_batches(conf, lake, name)
    send(conf, name, [payment_record(number) for number in range(500)])

    def clear_problems(rows: pa.Table) -> pa.Table:
        return rows.set_column(
            rows.schema.get_field_index("problem"), "problem", pa.nulls(len(rows), pa.string())
        )

    def amend(reached: str) -> None:
        if reached == "land:commit":
            monkeypatch.undo()
            raw = Table(lake, "raw/payments")
            amendments.amend(
                raw, Kind.REPLAY, clear_problems, reason="", by="", pruning="problem IS NOT NULL"
            )

    monkeypatch.setattr(landing, "failpoint", amend)
    assert land_in_batches(conf, lake, name).rows == 500
    assert_exactly_once(conf, lake, name, 1001)
    assert {row["problem"] for row in rows(lake)} == {None}
