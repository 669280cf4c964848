"""Receipts: what each landing commit took from Kafka, kept in the commit's own metadata.

They let anyone prove completeness by content: the digests of all receipts of a partition add up to that of its rows.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from shopnow.lake import log, tables
from shopnow.lake.digest import NOTHING, Digest
from shopnow.schemas import TIMESTAMP

METADATA_KEY = "receipt"

SCHEMA = pa.schema(
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
        pa.field("version", pa.int64(), metadata={"comment": "table version of the commit"}),
        pa.field("committed_at", TIMESTAMP),
    ]
)
"""One row for each partition of each commit."""


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
    """The receipts of `raw/{topic}` that its log still holds, up to `version`, the oldest first; columns as in `SCHEMA`."""
    name = f"raw/{topic}"
    last = tables.open_table(lake, name).version() if version is None else version
    rows = [row for number, actions in log.commits(lake, name, last) for row in _rows(number, actions)]
    return pa.Table.from_pylist(rows, SCHEMA)


def _rows(version: int, actions: log.Actions) -> Iterator[dict[str, Any]]:
    commit = next((action["commitInfo"] for action in actions if METADATA_KEY in action.get("commitInfo", ())), None)
    if commit is None:
        return
    receipt = json.loads(commit[METADATA_KEY])
    for part in receipt["partitions"]:
        yield {
            **part,
            "topic": receipt["topic"],
            "topic_id": receipt["topic_id"],
            "first_event_time": _time(part["first_event_time"]),
            "last_event_time": _time(part["last_event_time"]),
            "version": version,
            "committed_at": commit["timestamp"] * 1000,
        }


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
