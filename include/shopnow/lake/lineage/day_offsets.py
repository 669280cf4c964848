"""Offset ranges of raw that may hold events of a day."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance.amendments import AMENDMENTS
from shopnow.lake.ingest import data_loss, receipts
from shopnow.lake.lineage.lineage import OffsetRange


class DayOffsets(NamedTuple):
    """Ranges that cover the events of a day, and ranges that have expired or were lost to damage."""

    ranges: list[OffsetRange]
    expired: list[OffsetRange]


def find_offsets(lake: str, topic: str, version: int, day: date) -> DayOffsets:
    """Find the offsets of `raw/{topic}` at a version that may hold events of a day, by receipts and replays.

    Raises:
        UserError: retention has removed records that landed on that day or later and may belong to it.
    """
    raw = Table(lake, f"raw/{topic}")
    amendments = commit_metadata.read(raw, AMENDMENTS).to_pylist()
    expired: dict[tuple[str, int], int] = {}
    for amendment in amendments:
        if amendment["expired_below"] is not None:
            key = amendment["topic_id"], amendment["partition"]
            expired[key] = max(expired.get(key, 0), amendment["expired_below"])
    ranges: dict[tuple[str, int], OffsetRange] = {}
    for range_, landed_at in _candidates(receipts.read(raw, version).to_pylist(), amendments, day):
        key = range_.topic_id, range_.partition
        present = range_._replace(start=max(range_.start, expired.get(key, 0)))
        # Records that landed before the day belong to it only if their event times were in the future.
        if present.start > range_.start and landed_at is not None and landed_at.date() >= day:
            raise UserError(
                f"retention has removed records of raw/{topic} that the events of {day} were derived from, "
                "so that day cannot be rebuilt; its present events stay"
            )
        if present.start < present.end:
            merged = ranges.get(key, present)
            ranges[key] = merged._replace(
                start=min(present.start, merged.start), end=max(present.end, merged.end)
            )
    return DayOffsets(
        [ranges[key] for key in sorted(ranges)],
        [
            *(OffsetRange(*key, 0, end) for key, end in sorted(expired.items())),
            *(
                OffsetRange(loss.topic_id, loss.partition, loss.start_offset, loss.end_offset or 0)
                for loss in data_loss.read(lake, [topic])
                if loss.kind == data_loss.DAMAGED
            ),
        ],
    )


def topics_with_events(lake: str, day: date) -> list[str]:
    """Return the topics that may have landed events of a day.

    Raises:
        UserError: retention has removed records that landed on that day or later and may belong to it.
    """

    def has_events(topic: str) -> bool:
        raw = Table(lake, f"raw/{topic}").open_if_exists()
        return raw is not None and bool(find_offsets(lake, topic, raw.version(), day).ranges)

    return [topic for topic in TOPICS if has_events(topic)]


def _candidates(
    parts: list[dict[str, Any]], amendments: list[dict[str, Any]], day: date
) -> Iterator[tuple[OffsetRange, datetime | None]]:
    """Yield ranges of offsets that may hold events of the day, with the time they landed, None if unknown."""
    for part in parts:
        first, last = part["first_event_time"], part["last_event_time"]
        if first is not None and first.date() <= day <= last.date():
            yield (
                OffsetRange(part["topic_id"], part["partition"], part["start_offset"], part["end_offset"]),
                part["committed_at"],
            )
    # Records in quarantine have no event time: once replayed, they may belong to any day.
    for amendment in amendments:
        for offset in amendment["replayed"] or ():
            yield OffsetRange(amendment["topic_id"], amendment["partition"], offset, offset + 1), None
