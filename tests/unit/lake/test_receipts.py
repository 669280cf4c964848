import json
from datetime import UTC, datetime

import pytest

from shopnow.lake.delta.checksum import Digest
from shopnow.lake.ingest.receipts import Part, dumps, merged

NOON, ONE = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 13, tzinfo=UTC)


def test_parts_that_follow_each_other_become_one() -> None:
    first = Part(0, 10, Digest(8, 1, 2), quarantined=1, first_event=ONE, last_event=ONE)
    second = Part(10, 15, Digest(5, 3, 4), quarantined=2, first_event=NOON, last_event=NOON)
    other = Part(3, 4)
    assert merged([{0: first}, {0: second, 1: other}]) == {
        0: Part(0, 15, Digest(13, 4, 6), quarantined=3, first_event=NOON, last_event=ONE),
        1: other,
    }


def test_offsets_without_a_record_are_counted() -> None:
    assert Part(0, 10, Digest(8)).markers == 2


def test_a_gap_between_parts_is_never_papered_over() -> None:
    with pytest.raises(ValueError, match="offsets 11 do not follow 10"):
        Part(0, 10) + Part(11, 12)


def test_receipt_is_plain_json() -> None:
    receipt = json.loads(
        dumps("orders", "id", {1: Part(0, 10, Digest(8, 1, 2), 1, NOON, ONE), 0: Part(4, 5)})
    )
    assert receipt["topic"] == "orders"
    assert receipt["topic_id"] == "id"
    assert [part["partition"] for part in receipt["partitions"]] == [0, 1]
    assert receipt["partitions"][1] == {
        "partition": 1,
        "start_offset": 0,
        "end_offset": 10,
        "rows": 8,
        "quarantined": 1,
        "markers": 2,
        "first_event_time": "2026-01-01T12:00:00+00:00",
        "last_event_time": "2026-01-01T13:00:00+00:00",
        "digest": "00000000000000010000000000000002",
    }
