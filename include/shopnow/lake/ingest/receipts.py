"""Receipts: what each landing commit read from Kafka, in the commit's metadata and in the table `receipts`.

They prove completeness by content: the digests of all receipts of a partition add up to the digest of its
rows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata
from shopnow.lake.delta.checksum import EMPTY, Digest
from shopnow.lake.delta.commit_metadata import CommitTable
from shopnow.lake.delta.tables import Table
from shopnow.schemas import TIMESTAMP


@dataclass(frozen=True, slots=True)
class PartitionReceipt:
    """What was read from one partition: offsets `[start, end)`."""

    start: int
    end: int
    digest: Digest = EMPTY
    quarantined: int = 0
    first_event: datetime | None = None
    last_event: datetime | None = None

    @property
    def rows(self) -> int:
        return self.digest.rows

    @property
    def gaps(self) -> int:
        """Number of offsets without a readable record.

        They are transaction markers and aborted records; in a compacted topic also removed records.
        """
        return self.end - self.start - self.rows

    def __add__(self, later: "PartitionReceipt") -> "PartitionReceipt":
        """Return the receipt of both ranges; `later` must start where this one ends."""
        if later.start != self.end:
            raise ValueError(f"offsets {later.start} do not follow {self.end}")
        return PartitionReceipt(
            self.start,
            later.end,
            self.digest + later.digest,
            self.quarantined + later.quarantined,
            min((t for t in (self.first_event, later.first_event) if t), default=None),
            max((t for t in (self.last_event, later.last_event) if t), default=None),
        )


Receipt = dict[int, PartitionReceipt]
"""What was read from a topic, by partition."""


def merge(receipts: Iterable[Receipt]) -> Receipt:
    """Return consecutive receipts as one."""
    merged: Receipt = {}
    for receipt in receipts:
        for partition, part in receipt.items():
            merged[partition] = merged[partition] + part if partition in merged else part
    return merged


def dumps(topic: str, topic_id: str, receipt: Receipt, is_compacted: bool = False) -> str:
    """Return the receipt as JSON for the commit's metadata.

    Args:
        is_compacted: the topic is compacted, so an offset without a record may have held one.
    """
    partitions = [
        {
            "partition": partition,
            "start_offset": part.start,
            "end_offset": part.end,
            "rows": part.rows,
            "quarantined": part.quarantined,
            "markers": 0 if is_compacted else part.gaps,
            "possibly_lost": part.gaps if is_compacted else 0,
            "first_event_time": part.first_event and part.first_event.isoformat(),
            "last_event_time": part.last_event and part.last_event.isoformat(),
            "digest": str(part.digest),
        }
        for partition, part in sorted(receipt.items())
    ]
    document = {"topic": topic, "topic_id": topic_id, "partitions": partitions}
    return msgspec.json.encode(document).decode()


def read(raw: Table, version: int | None = None) -> pa.Table:
    """Read the receipts of a raw table up to a version, oldest first: one row per commit and partition."""
    return commit_metadata.read(raw, RECEIPTS, version)


def _rows(receipt: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in receipt["partitions"]:
        times = {
            name: part[name] and datetime.fromisoformat(part[name])
            for name in ("first_event_time", "last_event_time")
        }
        yield {"topic": receipt["topic"], "topic_id": receipt["topic_id"], **part, **times}


RECEIPTS = CommitTable(
    table="receipts",
    key="receipt",
    columns=pa.schema(
        [
            pa.field("topic", pa.string()),
            pa.field("topic_id", pa.string()),
            pa.field("partition", pa.int32()),
            pa.field("start_offset", pa.int64(), metadata={"comment": "first offset of the range"}),
            pa.field("end_offset", pa.int64(), metadata={"comment": "the offset after its last"}),
            pa.field("rows", pa.int64()),
            pa.field("quarantined", pa.int64()),
            pa.field("markers", pa.int64(), metadata={"comment": "offsets without a committed record"}),
            pa.field(
                "possibly_lost",
                pa.int64(),
                metadata={"comment": "offsets that compaction may have emptied before they were landed"},
            ),
            pa.field("first_event_time", TIMESTAMP),
            pa.field("last_event_time", TIMESTAMP),
            pa.field("digest", pa.string()),
        ]
    ),
    sources=tuple(f"raw/{topic}" for topic in TOPICS),
    rows=_rows,
)
"""What each landing commit read from each partition."""
