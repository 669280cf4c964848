"""What an amendment's commit says."""

import json

import pyarrow as pa

from shopnow.lake.delta.checksum import NOTHING, Digest, digest
from shopnow.lake.delta.rewrite import Changed
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import AMENDMENTS, Amendment, Erased, Kind, Part, RecordId, dumps


def rows(*values: bytes, problem: str | None = None) -> pa.Table:
    count = len(values)
    columns = {
        "topic_id": ["id"] * count,
        "partition": [0] * count,
        "offset": range(count),
        "key": [None] * count,
    }
    return pa.table({**columns, "value": values, "problem": pa.array([problem] * count, pa.string())})


def test_is_read_as_it_was_written():
    parts = [Part("id", 1, digest(1, [5], [b"k"], [b"old"]), NOTHING, 7), Part("id", 2)]
    said = Amendment(Kind.EXPIRY, "retention", "maintenance", parts)
    assert amendments.loads(amendments.dumps(said)) == said
    erased = amendments.describe(Kind.ERASURE, "r", "me", Changed(rows(b"a", b"b"), rows(b"c", b"b")))
    assert amendments.loads(amendments.dumps(erased)) == erased


def test_a_replay_tells_what_left_the_quarantine_and_changes_no_digest():
    said = amendments.describe(
        Kind.REPLAY, "r", "me", Changed(rows(b"a", b"b", problem="p"), rows(b"a", b"b"))
    )
    assert said.replayed == [RecordId("id", 0, 0), RecordId("id", 0, 1)]
    assert [part.removed - part.added for part in said.parts] == [NOTHING]


def test_an_erasure_tells_what_has_other_bytes_than_before():
    said = amendments.describe(Kind.ERASURE, "r", "me", Changed(rows(b"a", b"b"), rows(b"c", b"b")))
    (erased,) = said.erased
    assert erased.place == RecordId("id", 0, 0)
    assert said.parts[0].removed - erased.removed + erased.added == said.parts[0].added
    assert said.replayed == []


def test_the_table_tells_each_partition_apart():
    erased = [
        Erased(RecordId("id", 1, 7), digest(1, [7], [b"k"], [b"old"]), digest(1, [7], [b"k"], [b"new"]))
    ]
    parts = [Part("id", 0, expired_below=5), Part("id", 1, erased[0].removed, erased[0].added)]
    told = pa.Table.from_pylist(
        list(
            AMENDMENTS.rows(
                json.loads(
                    dumps(Amendment(Kind.ERASURE, "asked for", "me", parts, [RecordId("id", 0, 3)], erased))
                )
            )
        ),
        AMENDMENTS.columns,
    ).to_pylist()
    assert [(row["partition"], row["expired_below"], row["replayed"]) for row in told] == [
        (0, 5, [3]),
        (1, None, []),
    ]
    assert Digest.parse(told[1]["rows_removed"], told[1]["digest_removed"]) == erased[0].removed
    assert told[1]["erased"] == [
        {"offset": 7, "digest_removed": str(erased[0].removed), "digest_added": str(erased[0].added)}
    ]
