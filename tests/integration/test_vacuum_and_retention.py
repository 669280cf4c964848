"""What is no longer needed goes, and nothing else: files that no table holds, raw records past their retention."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake
from hdfs_native import Client
from msgspec import to_builtins

from factories import raw_tables as sample
from shopnow import schemas
from shopnow.audit import digests, raw_events, raw_receipts, topics_raw
from shopnow.audit.context import Evidence
from shopnow.audit.kpi_oracle import KpiSettings
from shopnow.broker.topics import TopicState
from shopnow.events import TOPICS
from shopnow.lake.delta import catalog, file_swap, tables
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import Kind
from shopnow.lake.ingest import offsets
from shopnow.lake.lineage import lineage
from shopnow.lake.maintenance import retention
from shopnow.lake.maintenance.vacuum import vacuum
from support.kafka_topics import payment

RAW, EVENTS = "raw/payments", "events/payments"
PAYMENTS = TOPICS["payments"]
TOPIC_ID = "payments-id"
HOURS = 24
OLD = datetime.now(UTC) - timedelta(hours=HOURS + 1)


def land(lake: str, *numbers: int, partition: int = 0) -> int:
    """The version of raw after it."""
    sample.land_records(lake, PAYMENTS, [payment(number) for number in numbers], partition)
    return Table(lake, RAW).version()


def make_events_from(lake: str, version: int) -> None:
    """A commit that says the events are made from that version of raw."""
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
        """A file that no commit names, of this age."""
        self.store.put(path, b"orphan")
        if time:
            self.client.set_times(f"{self.root}/{path}", *[int(time.timestamp() * 1000)] * 2)
        return path

    def files(self) -> set[str]:
        return {
            each.path.removeprefix(f"{self.root}/")
            for each in self.client.list_status(self.root, recursive=True)
            if not each.isdir
        }


def remove(lake: str, path: str, time: datetime, monkeypatch: pytest.MonkeyPatch) -> str:
    """Takes a file out of raw, as compaction does, at that time; gives its path in the lake."""
    table = Table(lake, RAW).open()
    [file] = (file for file in file_swap.data_files(table) if file.path == path)
    with monkeypatch.context() as then:
        then.setattr(file_swap.time, "time", time.timestamp)
        file_swap.replace(table, [file], [], data_change=True)
    return f"{RAW}/{path}"


def test_vacuum_removes_old_files_of_no_table_and_nothing_else(lake, monkeypatch):
    for number in range(4):
        land(lake, number)
        if number == 0:
            make_events_from(lake, Table(lake, RAW).version())
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
    remove(lake, first, OLD, monkeypatch)  # but the events were made from it
    before = hdfs.files()
    assert old < before

    assert catalog.table_names(lake) == [EVENTS, RAW]
    assert vacuum(lake, HOURS) == {RAW: len(old)}

    left = {path for path in hdfs.files() if "/_delta_log/" not in path}
    assert left == {path for path in before - old if "/_delta_log/" not in path}
    assert {path for path in before if "/_delta_log/" in path} < hdfs.files()
    assert tables.read(Table(lake, RAW).open()).num_rows == 1
    assert tables.read(Table(lake, RAW).open(1)).num_rows == 1
    assert lineage.latest_equivalent_version(Table(lake, RAW), 1, Table(lake, RAW).version()) == 1
    assert vacuum(lake, HOURS) == {}


def land_on(day: date, lake: str, monkeypatch: pytest.MonkeyPatch, *numbers: int, partition: int = 0) -> int:
    class Then:
        @staticmethod
        def now(zone) -> datetime:
            return datetime.combine(day, datetime.min.time(), zone)

    with monkeypatch.context() as then:
        then.setattr(sample, "datetime", Then)
        return land(lake, *numbers, partition=partition)


def test_raw_records_past_their_retention_go_and_that_is_on_record(lake, monkeypatch):
    today = date(2026, 11, 24)
    old, older = today - timedelta(days=11), today - timedelta(days=12)
    land_on(older, lake, monkeypatch, 0, 1)
    land_on(older, lake, monkeypatch, 7, partition=1)
    read = land_on(old, lake, monkeypatch, 2)
    land_on(old, lake, monkeypatch, 3)
    land_on(today - timedelta(days=10), lake, monkeypatch, 4)
    whole = digests.raw_digests(Table(lake, RAW).open(), TOPIC_ID)

    assert retention.expire(lake, 10, today, "test") == []  # no events yet
    make_events_from(lake, read)
    assert retention.expire(lake, 12, today, "test") == []
    assert retention.expire(lake, 10, today, "test") == [retention.Expired(RAW, [str(older)], 3)]
    # The second date has a record that is not an event yet.
    assert retention.expire(lake, 10, today, "test") == []

    table = Table(lake, RAW).open()
    [(_, actions)] = Table(lake, RAW).commits(table.version(), table.version())
    amendment = amendments.read(actions)
    assert amendment is not None
    assert (amendment.kind, amendment.by) == (Kind.EXPIRY, "test")
    assert [(part.partition, part.removed.rows, part.expired_below) for part in amendment.parts] == [
        (0, 2, 2),
        (1, 1, 1),
    ]
    left = digests.raw_digests(table, TOPIC_ID)
    assert {part.partition: whole[part.partition] - part.removed for part in amendment.parts} == {
        **left,
        1: digests.NOTHING,
    }

    assert [range_[1:] for range_ in lineage.new_offsets(Table(lake, RAW), read, table.version()) or []] == [
        (0, 3, 5)
    ]
    make_events_from(lake, table.version())
    assert retention.expire(lake, 10, today, "test") == [retention.Expired(RAW, [str(old)], 2)]
    assert offsets.position(Table(lake, RAW).open(), TOPIC_ID, 0) == 5


def add_events(lake: str, *numbers: int) -> None:
    """The events of these payments, which are in raw at the same offsets, made from raw as it is."""
    schema = schemas.events(PAYMENTS)
    made_up = [PAYMENTS.decoder().decode(payment(number)) for number in numbers]
    source = [
        {"source_topic_id": TOPIC_ID, "source_partition": 0, "source_offset": number} for number in numbers
    ]
    told = [
        {"event_type": "payment_succeeded", "event_date": each.event_time.date(), **to_builtins(each)}
        for each in made_up
    ]
    rows = [
        {**one, **other, "event_time": each.event_time}
        for one, other, each in zip(told, source, made_up, strict=True)
    ]
    write_deltalake(
        Table(lake, EVENTS).ensure(schema, ["event_date"]),
        pa.Table.from_pylist(rows, schema),
        mode="append",
        commit_properties=CommitProperties(
            custom_metadata={"userMetadata": lineage.describe({RAW: Table(lake, RAW).version()})}
        ),
    )


def evidence(lake: str, **topics: TopicState) -> Evidence:
    opened = {name: Table(lake, name).open() for name in (RAW, EVENTS)}
    return Evidence(
        {},
        lake,
        {},
        {EVENTS: opened[EVENTS]},
        {RAW: opened[RAW]},
        [],
        pa.table({}),
        topics,
        KpiSettings(0.95, 2),
        lambda subject, what: None,
    )


def test_audits_hold_after_raw_records_have_expired(lake, monkeypatch):
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

    def of_kafka(conf, name, ranges):
        """Kafka still has what has expired, from offset 1 on; but it is not asked for it."""
        assert ranges == {0: (2, 5)}
        return digests.raw_digests(Table(lake, RAW).open(), TOPIC_ID)

    monkeypatch.setattr(topics_raw.digests, "kafka_digests", of_kafka)
    assert (
        topics_raw.check(evidence(lake, payments=TopicState("payments", TOPIC_ID, {0: (1, 5)})))
        == "3 records are the same"
    )
