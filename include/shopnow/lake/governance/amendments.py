"""Amendments: rows of raw that were changed or removed otherwise than by landing, each in one commit that says so.

The commit's metadata tells which records, why and by whom, and how the digest of each partition changed, so that receipts
and rows can still be compared: Σ receipts − Σ removed + Σ added = digest of the rows.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopnow.events import TOPICS
from shopnow.lake.delta import rewrite
from shopnow.lake.delta.checksum import NOTHING, Digest, digest
from shopnow.lake.delta.commit_metadata import CommitTable
from shopnow.lake.delta.rewrite import Change, Changed
from shopnow.lake.delta.tables import Table
from shopnow.schemas import RAW

METADATA_KEY = "amendment"


class Kind(StrEnum):
    REPLAY = "replay"
    """Records left the quarantine: they are new to whoever reads valid records."""
    ERASURE = "erasure"
    """Personal data was taken out of records; they say the same otherwise, so nothing is new."""
    EXPIRY = "expiry"
    """Records were removed by retention."""


class RecordId(NamedTuple):
    """Where a record is, or was, in Kafka."""

    topic_id: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Part:
    """What was taken away from and put into the rows of a partition; `expired_below`: the offset below which retention removed them."""

    topic_id: str
    partition: int
    removed: Digest = NOTHING
    added: Digest = NOTHING
    expired_below: int | None = None


class Erased(NamedTuple):
    """A record with other bytes than Kafka's: the digests of both."""

    place: RecordId
    removed: Digest
    added: Digest


@dataclass(frozen=True, slots=True)
class Amendment:
    """One such commit."""

    kind: Kind
    reason: str
    by: str
    parts: list[Part] = field(default_factory=list)
    replayed: list[RecordId] = field(default_factory=list)
    erased: list[Erased] = field(default_factory=list)


def dumps(amendment: Amendment) -> str:
    """The amendment as JSON, for the commit's metadata."""
    content = asdict(amendment) | {
        "partitions": [_plain(part) for part in amendment.parts],
        "erased": [[*each.place, str(each.removed), str(each.added)] for each in amendment.erased],
    }
    del content["parts"]
    return json.dumps(content, separators=(",", ":"))


def loads(text: str) -> Amendment:
    """The amendment that `dumps` made this of."""
    return _amendment(json.loads(text))


def _amendment(content: dict[str, Any]) -> Amendment:
    parts = [
        Part(
            part["topic_id"],
            part["partition"],
            Digest.parse(part["rows_removed"], part["digest_removed"]),
            Digest.parse(part["rows_added"], part["digest_added"]),
            part["expired_below"],
        )
        for part in content["partitions"]
    ]
    erased = [
        Erased(RecordId(*place), Digest.parse(1, removed), Digest.parse(1, added))
        for *place, removed, added in content.get("erased", ())
    ]
    replayed = [RecordId(*place) for place in content["replayed"]]
    return Amendment(Kind(content["kind"]), content["reason"], content["by"], parts, replayed, erased)


def amend(
    lake: str,
    topic: str,
    kind: Kind,
    change: Change,
    *,
    reason: str,
    by: str,
    pruning: str | None = None,
    point: str = "amend",
) -> Changed:
    """Change rows of `raw/{topic}` in one commit that says so; none if the change finds nothing to do.

    Safe to repeat and to run several times at once, also beside landing and compaction: whoever comes second is shown what the
    first left. See `rewriting.rewrite` for `change`, `pruning` and `point`.

    Returns:
        The changed rows, before and after.

    Raises:
        deltalake.exceptions.DeltaError, OSError: the lake failed, or others changed the same files time and again.
    """
    table = Table(lake, f"raw/{topic}").ensure(RAW)
    return rewrite.rewrite(
        table,
        change,
        lambda changed: {METADATA_KEY: dumps(describe(kind, reason, by, changed))},
        pruning=pruning,
        point=point,
    )


def describe(kind: Kind, reason: str, by: str, changed: Changed) -> Amendment:
    """The amendment that changed these rows of raw."""
    removed, added = digests(changed.before), digests(changed.after)
    parts = [
        Part(*key, removed.get(key, NOTHING), added.get(key, NOTHING))
        for key in sorted(removed.keys() | added.keys())
    ]
    if kind is Kind.ERASURE:
        return Amendment(kind, reason, by, parts, erased=_erased(changed))
    freed = pc.and_(pc.is_valid(changed.before["problem"]), pc.is_null(changed.after["problem"]))
    return Amendment(kind, reason, by, parts, replayed=sorted(places(changed.after.filter(freed))))


def digests(rows: pa.Table) -> dict[tuple[str, int], Digest]:
    """The digest of rows of raw by topic id and partition."""
    found = {}
    for key in rows.group_by(["topic_id", "partition"]).aggregate([]).to_pylist():
        topic_id, partition = key["topic_id"], key["partition"]
        mine = rows.filter((pc.field("topic_id") == topic_id) & (pc.field("partition") == partition))
        found[topic_id, partition] = digest(
            partition, mine["offset"].to_numpy(), mine["key"].to_pylist(), mine["value"].to_pylist()
        )
    return found


def places(rows: pa.Table) -> list[RecordId]:
    """Where the rows of raw are from, in their order."""
    return list(map(RecordId, *(rows[name].to_pylist() for name in RecordId._fields)))


def read(actions: Iterable[dict[str, Any]]) -> Amendment | None:
    """The amendment that a commit of the log is, if it is one."""
    for action in actions:
        if text := action.get("commitInfo", {}).get(METADATA_KEY):
            return loads(text)
    return None


def _erased(changed: Changed) -> list[Erased]:
    pairs = zip(_one_by_one(changed.before), _one_by_one(changed.after), strict=True)
    # What was done to a correction is not seen in the digest, which is over key and value.
    return [Erased(place, old, new) for (place, old), (_, new) in pairs if old != new]


def _one_by_one(rows: pa.Table) -> list[tuple[RecordId, Digest]]:
    keys, values = rows["key"].to_pylist(), rows["value"].to_pylist()
    return [
        (place, digest(place.partition, np.array([place.offset]), [key], [value]))
        for place, key, value in zip(places(rows), keys, values, strict=True)
    ]


def _plain(part: Part) -> dict[str, Any]:
    return {
        "topic_id": part.topic_id,
        "partition": part.partition,
        "rows_removed": part.removed.rows,
        "digest_removed": str(part.removed),
        "rows_added": part.added.rows,
        "digest_added": str(part.added),
        "expired_below": part.expired_below,
    }


def _rows(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    amendment = _amendment(content)
    for part in amendment.parts:
        mine = (part.topic_id, part.partition)
        yield {
            "kind": str(amendment.kind),
            "reason": amendment.reason,
            "by": amendment.by,
            **_plain(part),
            "replayed": [place.offset for place in amendment.replayed if place[:2] == mine],
            "erased": [
                {
                    "offset": each.place.offset,
                    "digest_removed": str(each.removed),
                    "digest_added": str(each.added),
                }
                for each in amendment.erased
                if each.place[:2] == mine
            ],
        }


AMENDMENTS = CommitTable(
    table="amendments",
    key=METADATA_KEY,
    columns=pa.schema(
        [
            pa.field("kind", pa.string(), metadata={"comment": "replay, erasure or expiry"}),
            pa.field("reason", pa.string()),
            pa.field("by", pa.string()),
            pa.field("topic_id", pa.string()),
            pa.field("partition", pa.int32()),
            pa.field("rows_removed", pa.int64()),
            pa.field("digest_removed", pa.string()),
            pa.field("rows_added", pa.int64()),
            pa.field("digest_added", pa.string()),
            pa.field(
                "expired_below",
                pa.int64(),
                metadata={"comment": "retention removed the rows of all offsets below this"},
            ),
            pa.field(
                "replayed", pa.list_(pa.int64()), metadata={"comment": "offsets that left the quarantine"}
            ),
            pa.field(
                "erased",
                pa.list_(
                    pa.struct(
                        [
                            ("offset", pa.int64()),
                            ("digest_removed", pa.string()),
                            ("digest_added", pa.string()),
                        ]
                    )
                ),
                metadata={"comment": "records with other bytes than Kafka's"},
            ),
        ]
    ),
    sources=tuple(f"raw/{topic}" for topic in TOPICS),
    rows=_rows,
)
"""What each amendment changed of each partition."""
