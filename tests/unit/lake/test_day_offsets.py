import json
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake

from shopnow.errors import UserError
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import Amendment, Kind, RecordId
from shopnow.lake.ingest import receipts
from shopnow.lake.ingest.receipts import RECEIPTS
from shopnow.lake.lineage import day_offsets
from shopnow.lake.lineage.lineage import OffsetRange

SCHEMA = pa.schema([("x", pa.int64())])


@pytest.fixture
def lake(tmp_path):
    """Three landings of ten records per partition, with events of November 1, 2 to 5, and 4."""
    lake = str(tmp_path)
    for number, span in enumerate([(1, 1), (2, 5), (4, 4)]):
        first, last = (datetime(2020, 11, day, 23, 59, tzinfo=UTC) for day in span)
        parts = {
            p: receipts.PartitionReceipt(10 * number, 10 * number + 10, first_event=first, last_event=last)
            for p in (0, 1)
        }
        commit(lake, RECEIPTS.key, receipts.dumps("orders", "id", parts))
    return lake


def commit(lake: str, key: str, text: str) -> None:
    assert json.loads(text)
    table = Table(lake, "raw/orders").ensure(SCHEMA)
    write_deltalake(
        table,
        SCHEMA.empty_table(),
        mode="append",
        commit_properties=CommitProperties(custom_metadata={key: text}),
    )


def amend(lake: str, amendment: Amendment) -> None:
    commit(lake, amendments.METADATA_KEY, amendments.dumps(amendment))


def offset_ranges(lake: str, day: int) -> list[tuple[int, int, int]]:
    ranges = day_offsets.find_offsets(
        lake, "orders", Table(lake, "raw/orders").version(), date(2020, 11, day)
    ).ranges
    return [(range_.partition, range_.start, range_.end) for range_ in ranges]


@pytest.mark.parametrize(
    ("day", "range_"), [(1, (0, 10)), (2, (10, 20)), (3, (10, 20)), (4, (10, 30)), (5, (10, 20)), (6, None)]
)
def test_finds_the_receipts_whose_event_times_include_the_day(lake, day, range_):
    assert offset_ranges(lake, day) == ([(p, *range_) for p in (0, 1)] if range_ else [])
    assert day_offsets.topics_with_events(lake, date(2020, 11, day)) == (["orders"] if range_ else [])


def test_replayed_records_may_belong_to_any_day(lake):
    amend(
        lake,
        Amendment(Kind.REPLAY, "", "test", [amendments.PartitionChange("id", 1)], [RecordId("id", 1, 3)]),
    )
    assert offset_ranges(lake, 6) == [(1, 3, 4)]
    assert offset_ranges(lake, 2) == [(0, 10, 20), (1, 3, 20)]


def test_rejects_only_days_whose_records_have_expired(lake):
    amend(lake, Amendment(Kind.EXPIRY, "", "test", [amendments.PartitionChange("id", 0, expired_below=12)]))
    assert day_offsets.find_offsets(lake, "orders", 3, date(2020, 11, 6)).expired == [
        OffsetRange("id", 0, 0, 12)
    ]
    for day in (1, 2, 4):
        with pytest.raises(
            UserError, match=f"retention has removed records of raw/orders that the events of 2020-11-0{day}"
        ):
            offset_ranges(lake, day)
    with pytest.raises(UserError, match="that the events of 2020-11-01"):
        day_offsets.topics_with_events(lake, date(2020, 11, 1))
