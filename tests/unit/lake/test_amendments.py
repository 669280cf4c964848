"""Metadata of amending commits."""

import json

import pyarrow as pa

from shopnow.lake.delta.checksum import EMPTY, Digest, digest
from shopnow.lake.delta.rewrite import ChangedRows
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import (
    AMENDMENTS,
    Amendment,
    ErasedRecord,
    Kind,
    PartitionChange,
    RecordId,
    dumps,
)


def rows(*values: bytes, problem: str | None = None) -> pa.Table:
    count = len(values)
    columns = {
        "topic_id": ["id"] * count,
        "partition": [0] * count,
        "offset": range(count),
        "key": [None] * count,
    }
    return pa.table({**columns, "value": values, "problem": pa.array([problem] * count, pa.string())})


def test_loads_what_dumps_wrote():
    changes = [PartitionChange("id", 1, digest(1, [5], [b"k"], [b"old"]), EMPTY, 7), PartitionChange("id", 2)]
    amendment = Amendment(Kind.EXPIRY, "retention", "maintenance", changes)
    assert amendments.loads(amendments.dumps(amendment)) == amendment
    erased = amendments.describe(Kind.ERASURE, "r", "me", ChangedRows(rows(b"a", b"b"), rows(b"c", b"b")))
    assert amendments.loads(amendments.dumps(erased)) == erased


def test_a_replay_names_the_replayed_records_and_changes_no_digest():
    amendment = amendments.describe(
        Kind.REPLAY, "r", "me", ChangedRows(rows(b"a", b"b", problem="p"), rows(b"a", b"b"))
    )
    assert amendment.replayed == [RecordId("id", 0, 0), RecordId("id", 0, 1)]
    assert [change.removed - change.added for change in amendment.partitions] == [EMPTY]


def test_an_erasure_names_the_records_with_changed_bytes():
    amendment = amendments.describe(Kind.ERASURE, "r", "me", ChangedRows(rows(b"a", b"b"), rows(b"c", b"b")))
    (erased,) = amendment.erased
    assert erased.record_id == RecordId("id", 0, 0)
    assert amendment.partitions[0].removed - erased.removed + erased.added == amendment.partitions[0].added
    assert amendment.replayed == []


def test_the_table_has_a_row_per_partition():
    erased = [
        ErasedRecord(RecordId("id", 1, 7), digest(1, [7], [b"k"], [b"old"]), digest(1, [7], [b"k"], [b"new"]))
    ]
    changes = [
        PartitionChange("id", 0, expired_below=5),
        PartitionChange("id", 1, erased[0].removed, erased[0].added),
    ]
    rows_ = pa.Table.from_pylist(
        list(
            AMENDMENTS.rows(
                json.loads(
                    dumps(Amendment(Kind.ERASURE, "asked for", "me", changes, [RecordId("id", 0, 3)], erased))
                )
            )
        ),
        AMENDMENTS.columns,
    ).to_pylist()
    assert [(row["partition"], row["expired_below"], row["replayed"]) for row in rows_] == [
        (0, 5, [3]),
        (1, None, []),
    ]
    assert Digest.parse(rows_[1]["rows_removed"], rows_[1]["digest_removed"]) == erased[0].removed
    assert rows_[1]["erased"] == [
        {"offset": 7, "digest_removed": str(erased[0].removed), "digest_added": str(erased[0].added)}
    ]
