import json
import shutil
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import Amendment, Kind, RecordId
from shopnow.lake.ingest import receipts
from shopnow.lake.ingest.receipts import RECEIPTS, PartitionReceipt
from shopnow.lake.lineage import lineage
from shopnow.lake.lineage.lineage import OffsetRange

SCHEMA = pa.schema([("x", pa.int64()), ("ingest_date", pa.string()), ("event_date", pa.string())])


@pytest.fixture
def lake(tmp_path):
    return str(tmp_path)


def table(lake: str, partition_by: str = "event_date") -> DeltaTable:
    return Table(lake, "t").ensure(SCHEMA, [partition_by])


def write(to: DeltaTable, *dates: str, **metadata: str) -> None:
    rows = pa.table({"x": [1] * len(dates), "ingest_date": dates, "event_date": dates}, SCHEMA)
    write_deltalake(to, rows, mode="append", commit_properties=CommitProperties(custom_metadata=metadata))


def receipt(topic_id: str, **parts: tuple[int, int]) -> str:
    ranges = {
        int(partition.removeprefix("p")): PartitionReceipt(start, end)
        for partition, (start, end) in parts.items()
    }
    content = json.loads(receipts.dumps("t", topic_id, ranges))
    for part in content["partitions"]:
        part["rows"] = part["end_offset"] - part["start_offset"]
    return json.dumps(content)


def test_sources_are_those_of_the_newest_commit_with_lineage(lake):
    derived = table(lake)
    assert lineage.sources(Table(lake, "t"), derived.version()) == {}
    write(derived, "2026-11-01", userMetadata=lineage.describe({"raw/a": 1, "raw/b": 2}))
    write(derived, "2026-11-01", userMetadata=lineage.describe({"raw/a": 3, "raw/b": 2}))
    derived.optimize.compact()
    assert lineage.sources(Table(lake, "t"), derived.version()) == {"raw/a": 3, "raw/b": 2}
    assert lineage.sources(Table(lake, "t"), 1) == {"raw/a": 1, "raw/b": 2}


def test_finds_sources_before_many_maintenance_commits(lake):
    derived = table(lake)
    write(derived, "2026-11-01", userMetadata=lineage.describe({"raw/a": 1}))
    for metadata in ("not JSON", "[]", '{"sources": 1}', '{"other": {}}', *[""] * 12):
        write(derived, "2026-11-01", userMetadata=metadata)
    assert lineage.sources(Table(lake, "t"), derived.version()) == {"raw/a": 1}


def test_new_offsets_are_those_of_the_receipts_since(lake):
    raw = table(lake, "ingest_date")
    write(raw, "2026-11-01", **{RECEIPTS.key: receipt("id", p0=(0, 5))})
    write(raw, "2026-11-01", **{RECEIPTS.key: receipt("id", p0=(5, 9), p1=(0, 2))})
    write(raw, "2026-11-02", **{RECEIPTS.key: receipt("id", p1=(2, 3))})
    write(raw, "2026-11-02", **{RECEIPTS.key: receipt("recreated", p0=(0, 4))})
    assert lineage.new_offsets(Table(lake, "t"), 1, 4) == [
        OffsetRange("id", 0, 5, 9),
        OffsetRange("id", 1, 0, 3),
        OffsetRange("recreated", 0, 0, 4),
    ]
    assert lineage.new_offsets(Table(lake, "t"), 1, 2) == [
        OffsetRange("id", 0, 5, 9),
        OffsetRange("id", 1, 0, 2),
    ]
    assert lineage.new_offsets(Table(lake, "t"), 4, 4) == []
    assert lineage.new_offsets(Table(lake, "t"), 4, 3) == []


def test_compaction_adds_no_offsets_and_changes_no_dates(lake):
    raw = table(lake, "ingest_date")
    for start in range(3):
        write(raw, "2026-11-01", **{RECEIPTS.key: receipt("id", p0=(start, start + 1))})
    before = raw.version()
    raw.optimize.compact()
    assert raw.version() == before + 1
    assert lineage.new_offsets(Table(lake, "t"), before, raw.version()) == []
    assert lineage.changed_dates(Table(lake, "t"), before, raw.version()) == {}


def amended(kind: Kind, *offsets: int) -> dict[str, str]:
    replayed = [RecordId("id", 0, offset) for offset in offsets]
    return {amendments.METADATA_KEY: amendments.dumps(Amendment(kind, "", "me", replayed=replayed))}


def test_replayed_records_are_new_and_adjacent_records_are_not(lake):
    raw = table(lake, "ingest_date")
    write(raw, "2026-11-01", **{RECEIPTS.key: receipt("id", p0=(0, 10))})
    write(raw, "2026-11-01", **{RECEIPTS.key: receipt("id", p0=(10, 12))})
    write(raw, "2026-11-01", **amended(Kind.REPLAY, 7, 3, 2, 11))
    assert lineage.new_offsets(Table(lake, "t"), 2, 3) == [
        OffsetRange("id", 0, 2, 4),
        OffsetRange("id", 0, 7, 8),
        OffsetRange("id", 0, 11, 12),
    ]
    # A record that landed and was replayed since is new once.
    assert lineage.new_offsets(Table(lake, "t"), 1, 3) == [
        OffsetRange("id", 0, 2, 4),
        OffsetRange("id", 0, 7, 8),
        OffsetRange("id", 0, 10, 12),
    ]


def test_everything_may_be_new_after_a_replay_with_too_many_ranges(lake):
    raw = table(lake, "ingest_date")
    write(raw, "2026-11-01", **{RECEIPTS.key: receipt("id", p0=(0, 999))})
    write(raw, "2026-11-01", **amended(Kind.REPLAY, *range(0, 2 * lineage.MAX_RANGES + 1, 2)))
    assert lineage.new_offsets(Table(lake, "t"), 1, 2) is None


@pytest.mark.parametrize("kind", [Kind.ERASURE, Kind.EXPIRY])
def test_erasure_and_expiry_add_no_offsets(lake, kind):
    raw = table(lake, "ingest_date")
    write(raw, "2026-11-01", **{RECEIPTS.key: receipt("id", p0=(0, 5))})
    write(raw, "2026-11-01", **amended(kind))
    assert lineage.new_offsets(Table(lake, "t"), 1, 2) == []


def test_an_erasure_changes_no_date(lake):
    events = table(lake)
    write(events, "2026-11-01")
    write(events, "2026-11-02", **amended(Kind.ERASURE))
    assert lineage.changed_dates(Table(lake, "t"), 1, 2) == {}


@pytest.mark.parametrize("change", ["append", "delete"])
def test_everything_may_be_new_after_a_change_without_a_receipt(lake, change):
    raw = table(lake, "ingest_date")
    write(raw, "2026-11-01", **{RECEIPTS.key: receipt("id", p0=(0, 1))})
    write(raw, "2026-11-01") if change == "append" else raw.delete("x = 1")
    assert lineage.new_offsets(Table(lake, "t"), 1, raw.version()) is None


def test_everything_may_be_new_without_a_version_or_a_log(lake, tmp_path):
    raw = table(lake)
    for _ in range(3):
        write(raw, "2026-11-01", **{RECEIPTS.key: receipt("id", p0=(0, 1))})
    assert lineage.new_offsets(Table(lake, "t"), None, 3) is None
    assert lineage.changed_dates(Table(lake, "t"), None, 3) is None
    (tmp_path / "t" / "_delta_log" / f"{2:020}.json").unlink()
    assert lineage.new_offsets(Table(lake, "t"), 1, 3) is None
    assert lineage.changed_dates(Table(lake, "t"), 1, 3) is None
    assert lineage.new_offsets(Table(lake, "t"), 2, 3) == [OffsetRange("id", 0, 0, 1)]


def test_changed_dates_are_those_of_rows_added_or_removed(lake):
    events = table(lake)
    write(events, "2026-11-01", "2026-11-02")
    write(events, "2026-11-03", "2026-11-03")
    write(events, "2026-10-01", "2026-11-03")
    assert lineage.changed_dates(Table(lake, "t"), 1, 3) == {"2026-11-03": 3, "2026-10-01": 1}
    events.delete("event_date = '2026-11-02'")
    assert lineage.changed_dates(Table(lake, "t"), 2, events.version()) == {
        "2026-11-03": 1,
        "2026-10-01": 1,
        "2026-11-02": None,
    }
    write(events, "2026-11-03", **{lineage.REBUILD_KEY: "{}"})
    write(events, "2026-11-03")
    assert lineage.changed_dates(Table(lake, "t"), 4, events.version()) == {"2026-11-03": None}


def test_last_materialization_has_the_time_of_the_last_commit_with_lineage(lake):
    derived = table(lake)
    assert lineage.last_materialization(Table(lake, "t"), derived.version()) == lineage.Materialization(
        {}, None
    )
    before = datetime.now(UTC)
    write(derived, "2026-11-01", userMetadata=lineage.describe({"raw/a": 1}))
    after = datetime.now(UTC)
    derived.optimize.compact()
    sources, at = lineage.last_materialization(Table(lake, "t"), derived.version())
    assert sources == {"raw/a": 1}
    assert before - timedelta(milliseconds=1) <= at <= after


def test_latest_equivalent_version_ignores_compaction_and_erasure(lake):
    raw = table(lake, "ingest_date")
    for start in range(3):
        write(raw, "2026-11-01", **{RECEIPTS.key: receipt("id", p0=(start, start + 1))})
    assert lineage.latest_equivalent_version(Table(lake, "t"), 1, 3) == 1
    raw.optimize.compact()
    assert raw.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    compacted = raw.version()
    assert lineage.latest_equivalent_version(Table(lake, "t"), 3, 3) == 3
    assert lineage.latest_equivalent_version(Table(lake, "t"), 3, 4) == 4
    assert lineage.latest_equivalent_version(Table(lake, "t"), 3, compacted) == compacted
    write(raw, "2026-11-02")
    raw.delete("ingest_date = '2026-11-02'", commit_properties=amendment(Kind.ERASURE))
    raw.delete(commit_properties=amendment(Kind.EXPIRY))
    assert lineage.latest_equivalent_version(Table(lake, "t"), 3, raw.version()) == compacted
    assert (
        lineage.latest_equivalent_version(Table(lake, "t"), compacted + 1, raw.version()) == raw.version() - 1
    )


def test_latest_equivalent_version_stops_at_a_gap_in_the_log(lake, tmp_path):
    raw = table(lake, "ingest_date")
    for _ in range(5):
        write(raw)
    shutil.copytree(tmp_path / "t", tmp_path / "cut")
    (tmp_path / "cut" / "_delta_log" / f"{3:020}.json").unlink()
    assert lineage.latest_equivalent_version(Table(lake, "t"), 0, 5) == 5
    assert lineage.latest_equivalent_version(Table(lake, "cut"), 0, 5) == 2


@pytest.mark.parametrize("kind", [Kind.ERASURE, Kind.EXPIRY])
def test_deleted_rows_are_not_new(lake, kind):
    raw = table(lake, "ingest_date")
    write(raw, "2026-11-01", **{RECEIPTS.key: receipt("id", p0=(0, 1))})
    raw.delete(commit_properties=amendment(kind))
    assert lineage.new_offsets(Table(lake, "t"), 1, raw.version()) == []


def amendment(kind: Kind) -> CommitProperties:
    return CommitProperties(
        custom_metadata={amendments.METADATA_KEY: amendments.dumps(Amendment(kind, "", "test"))}
    )
