from datetime import date

from shopnow.lake.delta.file_swap import DataFile
from shopnow.lake.maintenance import compaction
from shopnow.lake.maintenance.compaction import Group, plan

TODAY = date(2026, 11, 24)
MIB = 1 << 20


def files(count: int, size: int = MIB, **partition: str | None) -> list[DataFile]:
    return [DataFile(f"{partition}/{size}/{number}", size, 10, partition) for number in range(count)]


def test_many_small_files_of_a_closed_date_become_one():
    found = files(3, ingest_date="2026-11-23")
    assert plan(
        [*found, *files(9, ingest_date="2026-11-24"), *files(9, ingest_date="2026-11-25")], TODAY
    ) == [Group({"ingest_date": "2026-11-23"}, found, 1)]


def test_two_files_are_left_alone():
    assert plan(files(2, ingest_date="2026-11-23"), TODAY) == []


def test_large_files_are_left_as_they_are():
    large, small = files(2, 200 * MIB, ingest_date="2026-11-23"), files(2, ingest_date="2026-11-23")
    assert plan([*large, *small], TODAY) == [Group({"ingest_date": "2026-11-23"}, small, 1)]
    assert plan([*large, *small[:1]], TODAY) == []


def test_more_than_the_target_becomes_several_which_are_then_left_alone():
    [group] = plan(files(35, 10 * MIB, event_date="2026-11-01"), TODAY, target_bytes=100 * MIB)
    assert group.target_files == 4
    assert plan(files(4, 88 * MIB, event_date="2026-11-01"), TODAY, target_bytes=100 * MIB) == []


def test_a_table_without_dates_waits_for_more_files():
    assert plan(files(20), TODAY) == []
    assert [group.target_files for group in plan(files(21), TODAY)] == [1]


def test_what_has_no_date_or_is_none_is_never_closed():
    assert plan([*files(3, date=None), *files(3, country="DE")], TODAY) == []


def test_layouts():
    assert compaction.layout("raw/orders").order == ("topic_id", "partition", "offset")
    assert compaction.layout("events/orders").order == ("event_id",)
    assert compaction.layout("alerts").order == ()
