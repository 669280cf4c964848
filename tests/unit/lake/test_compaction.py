from datetime import date

from shopnow.lake.delta.file_swap import DataFile
from shopnow.lake.maintenance import compaction
from shopnow.lake.maintenance.compaction import Group, plan

TODAY = date(2026, 11, 24)
MIB = 1 << 20


def files(count: int, size: int = MIB, **partition: str | None) -> list[DataFile]:
    return [DataFile(f"{partition}/{size}/{number}", size, 10, partition) for number in range(count)]


def test_merges_small_files_of_a_closed_date():
    closed = files(3, ingest_date="2026-11-23")
    assert plan(
        [*closed, *files(9, ingest_date="2026-11-24"), *files(9, ingest_date="2026-11-25")], TODAY
    ) == [Group({"ingest_date": "2026-11-23"}, closed, 1)]


def test_does_not_compact_two_files():
    assert plan(files(2, ingest_date="2026-11-23"), TODAY) == []


def test_does_not_merge_large_files():
    large, small = files(2, 200 * MIB, ingest_date="2026-11-23"), files(2, ingest_date="2026-11-23")
    assert plan([*large, *small], TODAY) == [Group({"ingest_date": "2026-11-23"}, small, 1)]
    assert plan([*large, *small[:1]], TODAY) == []


def test_splits_into_files_of_the_target_size_that_are_not_compacted_again():
    [group] = plan(files(35, 10 * MIB, event_date="2026-11-01"), TODAY, target_bytes=100 * MIB)
    assert group.target_files == 4
    assert plan(files(4, 88 * MIB, event_date="2026-11-01"), TODAY, target_bytes=100 * MIB) == []


def test_a_table_without_dates_is_compacted_from_more_files_on():
    assert plan(files(20), TODAY) == []
    assert [group.target_files for group in plan(files(21), TODAY)] == [1]


def test_partitions_without_a_date_are_never_closed():
    assert plan([*files(3, date=None), *files(3, country="DE")], TODAY) == []


def test_layouts():
    assert compaction.layout("raw/orders").order == ("topic_id", "partition", "offset")
    assert compaction.layout("events/orders").order == ("event_id",)
    assert compaction.layout("alerts").order == ()
