"""Receipts: what each landing commit took from Kafka, told by the commit itself and kept in the table `receipts`.

They let anyone prove completeness by content: the digests of all receipts of a partition add up to that of its rows.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata
from shopnow.lake.delta.checksum import NOTHING, Digest
from shopnow.lake.delta.commit_metadata import CommitTable
from shopnow.schemas import TIMESTAMP


@dataclass(frozen=True, slots=True)
class Part:
    """What was taken from one partition: offsets `[start, end)`."""

    start: int
    end: int
    digest: Digest = NOTHING
    quarantined: int = 0
    first_event: datetime | None = None
    last_event: datetime | None = None

    @property
    def rows(self) -> int:
        return self.digest.rows

    @property
    def markers(self) -> int:
        """Offsets without a committed record: transaction markers and aborted records."""
        return self.end - self.start - self.rows

    def __add__(self, later: "Part") -> "Part":
        """This part and the one that follows it."""
        if later.start != self.end:
            raise ValueError(f"offsets {later.start} do not follow {self.end}")
        return Part(
            self.start,
            later.end,
            self.digest + later.digest,
            self.quarantined + later.quarantined,
            min((t for t in (self.first_event, later.first_event) if t), default=None),
            max((t for t in (self.last_event, later.last_event) if t), default=None),
        )


Parts = dict[int, Part]
"""Parts by partition."""


def merged(batches: Iterable[Parts]) -> Parts:
    """The parts of batches that follow each other, as one."""
    result: Parts = {}
    for parts in batches:
        for partition, part in parts.items():
            result[partition] = result[partition] + part if partition in result else part
    return result


def dumps(topic: str, topic_id: str, parts: Parts) -> str:
    """The receipt as JSON, for the commit's metadata."""
    partitions = [
        {
            "partition": partition,
            "start_offset": part.start,
            "end_offset": part.end,
            "rows": part.rows,
            "quarantined": part.quarantined,
            "markers": part.markers,
            "first_event_time": part.first_event and part.first_event.isoformat(),
            "last_event_time": part.last_event and part.last_event.isoformat(),
            "digest": str(part.digest),
        }
        for partition, part in sorted(parts.items())
    ]
    return json.dumps({"topic": topic, "topic_id": topic_id, "partitions": partitions}, separators=(",", ":"))


def receipts(lake: str, topic: str, version: int | None = None) -> pa.Table:
    """The receipts of `raw/{topic}` up to a version, the oldest first: one row for each partition of each commit."""
    return commit_metadata.read(lake, RECEIPTS, f"raw/{topic}", version)


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
            pa.field("first_event_time", TIMESTAMP),
            pa.field("last_event_time", TIMESTAMP),
            pa.field("digest", pa.string()),
        ]
    ),
    sources=tuple(f"raw/{topic}" for topic in TOPICS),
    rows=_rows,
)
"""What each landing commit took from each partition."""
