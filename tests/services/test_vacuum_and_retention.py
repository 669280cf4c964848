"""VACUUM and retention delete unreferenced files and expired raw records, and nothing else."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake
from hdfs_native import Client
from msgspec import to_builtins

from factories import raw_tables as sample
from factories.events import payment_record
from shopnow import schemas
from shopnow.audit import digests, raw_events, raw_receipts, topics_raw
from shopnow.audit.context import Evidence
from shopnow.audit.kpi_oracle import KpiSettings
from shopnow.broker.topic_state import TopicState
from shopnow.events import TOPICS
from shopnow.lake.delta import catalog, file_swap, tables
from shopnow.lake.delta.checksum import EMPTY
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import Kind
from shopnow.lake.ingest import offsets
from shopnow.lake.lineage import lineage
from shopnow.lake.maintenance import retention
from shopnow.lake.maintenance.vacuum import vacuum

RAW, EVENTS = "raw/payments", "events/payments"
PAYMENTS = TOPICS["payments"]
TOPIC_ID = "payments-id"
HOURS = 24
OLD = datetime.now(UTC) - timedelta(hours=HOURS + 1)


def land(lake: str, *numbers: int, partition: int = 0) -> int:
    """Land records and return the new version of raw."""
    sample.land_records(lake, PAYMENTS, [payment_record(number) for number in numbers], partition)
    return Table(lake, RAW).version()


def commit_events(lake: str, version: int) -> None:
    """Make an empty commit to the events table whose source is this version of raw."""
    schema = schemas.events(PAYMENTS)
    write_deltalake(
        Table(lake, EVENTS).ensure(schema, ["event_date"]),
        schema.empty_table(),
        mode="append",
        commit_properties=CommitProperties(
            custom_metadata={"userMetadata": lineage.describe({RAW: version})}
        ),
    )


class Hdfs:
    """The files below the lake."""

    def __init__(self, lake: str) -> None:
        _, _, host, path = lake.split("/", 3)
        self.client, self.root, self.store = Client(f"hdfs://{host}"), f"/{path}", Store(lake)

    def put(self, path: str, time: datetime | None = None) -> str:
        """Write a file that no commit names, with this modification time."""
        self.store.put(path, b"orphan")
        if time:
            self.client.set_times(f"{self.root}/{path}", *[int(time.timestamp() * 1000)] * 2)
        return path

    def files(self) -> set[str]:
        return {
            entry.path.removeprefix(f"{self.root}/")
            for entry in self.client.list_status(self.root, recursive=True)
            if not entry.isdir
        }


def remove(lake: str, path: str, time: datetime, monkeypatch: pytest.MonkeyPatch) -> str:
    """Remove a file from raw, as compaction does, at that time; return its path in the lake."""
    table = Table(lake, RAW).open()
    [file] = (file for file in file_swap.data_files(table) if file.path == path)
    with monkeypatch.context() as patch:
        patch.setattr(file_swap.time, "time", time.timestamp)
        file_swap.replace(table, [file], [], data_change=True)
    return f"{RAW}/{path}"


def test_vacuum_deletes_only_old_unreferenced_files(lake, monkeypatch):
    for number in range(4):
        land(lake, number)
        if number == 0:
            commit_events(lake, Table(lake, RAW).version())
    [first] = (file.path for file in file_swap.data_files(Table(lake, RAW).open(1)))
    second, third, _ = sorted({file.path for file in file_swap.data_files(Table(lake, RAW).open())} - {first})
    hdfs = Hdfs(lake)
    day = second.partition("/")[0]
    old = {
        hdfs.put(f"{RAW}/{day}/part-killed.parquet", OLD),
        hdfs.put(f"{RAW}/compaction-killed/1/_temporary/0/part.parquet", OLD),
        remove(lake, second, OLD, monkeypatch),
    }
    hdfs.put(f"{RAW}/{day}/part-in-flight.parquet")
    hdfs.put(f"{RAW}/compaction-in-flight/1/part.parquet")
    remove(lake, third, datetime.now(UTC), monkeypatch)
    remove(lake, first, OLD, monkeypatch)  # kept: the events depend on it
    before = hdfs.files()
    assert old < before

    assert catalog.table_names(lake) == [EVENTS, RAW]
    assert vacuum(lake, HOURS) == {RAW: len(old)}

    remaining = {path for path in hdfs.files() if "/_delta_log/" not in path}
    assert remaining == {path for path in before - old if "/_delta_log/" not in path}
    assert {path for path in before if "/_delta_log/" in path} < hdfs.files()
    assert tables.read(Table(lake, RAW).open()).num_rows == 1
    assert tables.read(Table(lake, RAW).open(1)).num_rows == 1
    assert lineage.latest_equivalent_version(Table(lake, RAW), 1, Table(lake, RAW).version()) == 1
    assert vacuum(lake, HOURS) == {}


def land_on(day: date, lake: str, monkeypatch: pytest.MonkeyPatch, *numbers: int, partition: int = 0) -> int:
    class FixedDatetime:
        @staticmethod
        def now(zone) -> datetime:
            return datetime.combine(day, datetime.min.time(), zone)

    with monkeypatch.context() as patch:
        patch.setattr(sample, "datetime", FixedDatetime)
        return land(lake, *numbers, partition=partition)


def test_expired_raw_records_are_removed_and_recorded(lake, monkeypatch):
    today = date(2026, 11, 24)
    old, older = today - timedelta(days=11), today - timedelta(days=12)
    land_on(older, lake, monkeypatch, 0, 1)
    land_on(older, lake, monkeypatch, 7, partition=1)
    source_version = land_on(old, lake, monkeypatch, 2)
    land_on(old, lake, monkeypatch, 3)
    land_on(today - timedelta(days=10), lake, monkeypatch, 4)
    before = digests.raw_digests(Table(lake, RAW).open(), TOPIC_ID)

    assert retention.expire(lake, 10, today, "test") == []  # no events yet
    commit_events(lake, source_version)
    assert retention.expire(lake, 12, today, "test") == []
    assert retention.expire(lake, 10, today, "test") == [retention.Expired(RAW, [str(older)], 3)]
    # The second date has a record that is not in events yet.
    assert retention.expire(lake, 10, today, "test") == []

    table = Table(lake, RAW).open()
    [(_, actions)] = Table(lake, RAW).commits(table.version(), table.version())
    amendment = amendments.read(actions)
    assert amendment is not None
    assert (amendment.kind, amendment.by) == (Kind.EXPIRY, "test")
    assert [
        (change.partition, change.removed.rows, change.expired_below) for change in amendment.partitions
    ] == [
        (0, 2, 2),
        (1, 1, 1),
    ]
    remaining = digests.raw_digests(table, TOPIC_ID)
    assert {
        change.partition: before[change.partition] - change.removed for change in amendment.partitions
    } == {
        **remaining,
        1: EMPTY,
    }

    assert [
        range_[1:] for range_ in lineage.new_offsets(Table(lake, RAW), source_version, table.version()) or []
    ] == [(0, 3, 5)]
    commit_events(lake, table.version())
    assert retention.expire(lake, 10, today, "test") == [retention.Expired(RAW, [str(old)], 2)]
    assert offsets.position(Table(lake, RAW).open(), TOPIC_ID, 0) == 5


def add_events(lake: str, *numbers: int) -> None:
    """Append the events of these payments, landed at the same offsets, with the latest raw as source."""
    schema = schemas.events(PAYMENTS)
    rows = []
    for number in numbers:
        event = PAYMENTS.decoder().decode(payment_record(number))
        derived = {"event_type": "payment_succeeded", "event_date": event.event_time.date()}
        source = {"source_topic_id": TOPIC_ID, "source_partition": 0, "source_offset": number}
        rows.append(derived | to_builtins(event) | source | {"event_time": event.event_time})
    write_deltalake(
        Table(lake, EVENTS).ensure(schema, ["event_date"]),
        pa.Table.from_pylist(rows, schema),
        mode="append",
        commit_properties=CommitProperties(
            custom_metadata={"userMetadata": lineage.describe({RAW: Table(lake, RAW).version()})}
        ),
    )


def evidence(lake: str, **topics: TopicState) -> Evidence:
    snapshots = {name: Table(lake, name).open() for name in (RAW, EVENTS)}
    return Evidence(
        {},
        lake,
        {},
        {EVENTS: snapshots[EVENTS]},
        {RAW: snapshots[RAW]},
        [],
        pa.table({}),
        topics,
        KpiSettings(0.95, 2),
        lambda subject, what: None,
    )


def test_audit_passes_after_raw_records_have_expired(lake, monkeypatch):
    today = date(2026, 11, 24)
    land_on(today - timedelta(days=12), lake, monkeypatch, 0, 1)
    land_on(today, lake, monkeypatch, 2)
    add_events(lake, 0, 1, 2)
    assert retention.expire(lake, 10, today, "test") == [retention.Expired(RAW, ["2026-11-12"], 2)]
    for number in (3, 4):
        assert raw_receipts.check(evidence(lake)).startswith(f"{number - 1} receipts without a gap")
        assert raw_events.check(evidence(lake)) == f"{number} events, 0 records in quarantine, 0 duplicates"
        land_on(today, lake, monkeypatch, number)
        add_events(lake, number)

    def kafka_digests(conf, name, ranges):
        """Kafka still has an expired record, at offset 1, but it is not read."""
        assert ranges == {0: (2, 5)}
        return digests.raw_digests(Table(lake, RAW).open(), TOPIC_ID)

    monkeypatch.setattr(topics_raw.digests, "kafka_digests", kafka_digests)
    assert (
        topics_raw.check(evidence(lake, payments=TopicState("payments", TOPIC_ID, {0: (1, 5)})))
        == "3 records are the same"
    )
