"""Amendments: commits that change or remove rows of raw and record it in their metadata.

The metadata names the records, the reason, the author and the change of each partition's digest, so that
receipts and rows can still be compared: Σ receipts − Σ removed + Σ added = digest of the rows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopnow.events import TOPICS
from shopnow.lake.delta import rewrite
from shopnow.lake.delta.checksum import EMPTY, Digest, digest
from shopnow.lake.delta.commit_metadata import CommitTable
from shopnow.lake.delta.rewrite import ChangedRows, RowTransform
from shopnow.lake.delta.tables import Table
from shopnow.schemas import RAW

METADATA_KEY = "amendment"


class Kind(StrEnum):
    REPLAY = "replay"
    """Records left the quarantine; they are new to readers of valid records."""
    ERASURE = "erasure"
    """Personal data was erased from records; no record is new to readers."""
    REVALIDATION = "revalidation"
    """Records were quarantined that landed before the rule which they break."""
    EXPIRY = "expiry"
    """Records were removed by retention."""
    DAMAGE = "damage"
    """Records were lost to damage beyond repair; what was derived from them stays."""


class RecordId(NamedTuple):
    """Position of a record in Kafka; unique in the lake."""

    topic_id: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class PartitionChange:
    """Digests of the rows removed from and added to a partition.

    `expired_below`: retention removed all rows below this offset.
    """

    topic_id: str
    partition: int
    removed: Digest = EMPTY
    added: Digest = EMPTY
    expired_below: int | None = None


class ErasedRecord(NamedTuple):
    """An erased record, with the digests of its bytes before, as in Kafka, and after."""

    record_id: RecordId
    removed: Digest
    added: Digest


@dataclass(frozen=True, slots=True)
class Amendment:
    """Content of an amending commit's metadata."""

    kind: Kind
    reason: str
    by: str
    partitions: list[PartitionChange] = field(default_factory=list)
    replayed: list[RecordId] = field(default_factory=list)
    erased: list[ErasedRecord] = field(default_factory=list)


def dumps(amendment: Amendment) -> str:
    """Return the amendment as JSON for the commit's metadata."""
    content = asdict(amendment) | {
        "partitions": [_to_json(change) for change in amendment.partitions],
        "erased": [
            [*record.record_id, str(record.removed), str(record.added)] for record in amendment.erased
        ],
    }
    return msgspec.json.encode(content).decode()


def loads(text: str) -> Amendment:
    """Parse an amendment from JSON."""
    return _amendment(msgspec.json.decode(text))


def _amendment(content: dict[str, Any]) -> Amendment:
    partitions = [
        PartitionChange(
            change["topic_id"],
            change["partition"],
            Digest.parse(change["rows_removed"], change["digest_removed"]),
            Digest.parse(change["rows_added"], change["digest_added"]),
            change["expired_below"],
        )
        for change in content["partitions"]
    ]
    erased = [
        ErasedRecord(RecordId(*record_id), Digest.parse(1, removed), Digest.parse(1, added))
        for *record_id, removed, added in content.get("erased", ())
    ]
    replayed = [RecordId(*record_id) for record_id in content["replayed"]]
    return Amendment(Kind(content["kind"]), content["reason"], content["by"], partitions, replayed, erased)


def amend(
    raw: Table,
    kind: Kind,
    change: RowTransform,
    *,
    reason: str,
    by: str,
    pruning: str | None = None,
    point: str = "amend",
) -> ChangedRows:
    """Change rows of a raw table in one amending commit; commit nothing if no row changes.

    Idempotent and safe to run concurrently with itself, landing and compaction: after a conflict, the change
    is applied to the newer snapshot. See `rewrite.rewrite` for `change`, `pruning` and `point`.

    Returns:
        The changed rows, before and after.

    Raises:
        UserError: every attempt met a newer commit that changed the same files.
        deltalake.exceptions.DeltaError, OSError: the lake failed.
    """
    return rewrite.rewrite(
        raw.ensure(RAW),
        change,
        lambda changed: {METADATA_KEY: dumps(describe(kind, reason, by, changed))},
        pruning=pruning,
        point=point,
    )


def describe(kind: Kind, reason: str, by: str, changed: ChangedRows) -> Amendment:
    """Return the amendment that changed these rows of raw."""
    removed, added = digests(changed.before), digests(changed.after)
    partitions = [
        PartitionChange(*key, removed.get(key, EMPTY), added.get(key, EMPTY))
        for key in sorted(removed.keys() | added.keys())
    ]
    if kind is Kind.ERASURE:
        return Amendment(kind, reason, by, partitions, erased=_erased(changed))
    is_replayed = pc.and_(pc.is_valid(changed.before["problem"]), pc.is_null(changed.after["problem"]))
    replayed = sorted(record_ids(changed.after.filter(is_replayed)))
    return Amendment(kind, reason, by, partitions, replayed)


def digests(rows: pa.Table) -> dict[tuple[str, int], Digest]:
    """Return the digest of rows of raw by topic id and partition."""
    result = {}
    for key in rows.group_by(["topic_id", "partition"]).aggregate([]).to_pylist():
        topic_id, partition = key["topic_id"], key["partition"]
        subset = rows.filter((pc.field("topic_id") == topic_id) & (pc.field("partition") == partition))
        result[topic_id, partition] = digest(
            partition, subset["offset"].to_numpy(), subset["key"].to_pylist(), subset["value"].to_pylist()
        )
    return result


def record_ids(rows: pa.Table) -> list[RecordId]:
    """Return the record ids of rows of raw, in their order."""
    return list(map(RecordId, *(rows[name].to_pylist() for name in RecordId._fields)))


def read(actions: Iterable[dict[str, Any]]) -> Amendment | None:
    """Return the amendment of a commit in the log; None if the commit is not an amendment."""
    for action in actions:
        if text := action.get("commitInfo", {}).get(METADATA_KEY):
            return loads(text)
    return None


def _erased(changed: ChangedRows) -> list[ErasedRecord]:
    pairs = zip(_record_digests(changed.before), _record_digests(changed.after), strict=True)
    # A change of `correction` does not change the digest, which covers key and value only.
    return [ErasedRecord(record_id, old, new) for (record_id, old), (_, new) in pairs if old != new]


def _record_digests(rows: pa.Table) -> list[tuple[RecordId, Digest]]:
    keys, values = rows["key"].to_pylist(), rows["value"].to_pylist()
    return [
        (record_id, digest(record_id.partition, np.array([record_id.offset]), [key], [value]))
        for record_id, key, value in zip(record_ids(rows), keys, values, strict=True)
    ]


def _to_json(change: PartitionChange) -> dict[str, Any]:
    return {
        "topic_id": change.topic_id,
        "partition": change.partition,
        "rows_removed": change.removed.rows,
        "digest_removed": str(change.removed),
        "rows_added": change.added.rows,
        "digest_added": str(change.added),
        "expired_below": change.expired_below,
    }


def _rows(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    amendment = _amendment(content)
    for change in amendment.partitions:
        topic_partition = (change.topic_id, change.partition)
        yield {
            "kind": str(amendment.kind),
            "reason": amendment.reason,
            "by": amendment.by,
            **_to_json(change),
            "replayed": [
                record_id.offset for record_id in amendment.replayed if record_id[:2] == topic_partition
            ],
            "erased": [
                {
                    "offset": record.record_id.offset,
                    "digest_removed": str(record.removed),
                    "digest_added": str(record.added),
                }
                for record in amendment.erased
                if record.record_id[:2] == topic_partition
            ],
        }


AMENDMENTS = CommitTable(
    table="amendments",
    key=METADATA_KEY,
    columns=pa.schema(
        [
            pa.field(
                "kind",
                pa.string(),
                metadata={"comment": "replay, erasure, revalidation, expiry or damage"},
            ),
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
"""Changes of each partition by each amendment."""
