import json
from datetime import UTC, datetime

import pytest

from shopnow.lake.delta.checksum import Digest
from shopnow.lake.ingest.receipts import PartitionReceipt, dumps, merge

NOON, ONE = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 13, tzinfo=UTC)


def test_merges_consecutive_receipts() -> None:
    first = PartitionReceipt(0, 10, Digest(8, 1, 2), quarantined=1, first_event=ONE, last_event=ONE)
    second = PartitionReceipt(10, 15, Digest(5, 3, 4), quarantined=2, first_event=NOON, last_event=NOON)
    unrelated = PartitionReceipt(3, 4)
    assert merge([{0: first}, {0: second, 1: unrelated}]) == {
        0: PartitionReceipt(0, 15, Digest(13, 4, 6), quarantined=3, first_event=NOON, last_event=ONE),
        1: unrelated,
    }


def test_counts_offsets_without_a_record() -> None:
    assert PartitionReceipt(0, 10, Digest(8)).gaps == 2


def test_rejects_a_gap_between_receipts() -> None:
    with pytest.raises(ValueError, match="offsets 11 do not follow 10"):
        PartitionReceipt(0, 10) + PartitionReceipt(11, 12)


def test_receipt_is_plain_json() -> None:
    receipt = json.loads(
        dumps(
            "orders",
            "id",
            {1: PartitionReceipt(0, 10, Digest(8, 1, 2), 1, NOON, ONE), 0: PartitionReceipt(4, 5)},
        )
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
        "possibly_lost": 0,
        "first_event_time": "2026-01-01T12:00:00+00:00",
        "last_event_time": "2026-01-01T13:00:00+00:00",
        "digest": "00000000000000010000000000000002",
    }
