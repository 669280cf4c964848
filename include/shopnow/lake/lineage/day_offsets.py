"""Which raw records the events of a day were made from."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata
from shopnow.lake.governance.amendments import AMENDMENTS
from shopnow.lake.ingest.receipts import receipts
from shopnow.lake.lineage.lineage import OffsetRange


class Records(NamedTuple):
    """Where the events of a day are, among others, and what raw has no more; each a range of offsets a topic partition."""

    ranges: list[OffsetRange]
    expired: list[OffsetRange]


def records(lake: str, topic: str, version: int, day: date) -> Records:
    """What `raw/{topic}` at a version holds of a day, told by receipts and replays.

    Raises:
        UserError: retention has removed records that landed on that day or later and may be of it.
    """
    amendments = commit_metadata.read(lake, AMENDMENTS, f"raw/{topic}").to_pylist()
    below: dict[tuple[str, int], int] = {}
    for each in amendments:
        if each["expired_below"] is not None:
            key = each["topic_id"], each["partition"]
            below[key] = max(below.get(key, 0), each["expired_below"])
    found: dict[tuple[str, int], OffsetRange] = {}
    for part, landed_at in _may_hold(receipts(lake, topic, version).to_pylist(), amendments, day):
        key = part.topic_id, part.partition
        left = part._replace(start=max(part.start, below.get(key, 0)))
        # What landed earlier is of that day only if it came from the future.
        if left.start > part.start and landed_at is not None and landed_at.date() >= day:
            raise UserError(
                f"retention has removed records of raw/{topic} that the events of {day} were made from, so that day cannot be "
                "made anew; what was made of it stays"
            )
        if left.start < left.end:
            known = found.get(key, left)
            found[key] = known._replace(start=min(left.start, known.start), end=max(left.end, known.end))
    return Records(
        [found[key] for key in sorted(found)],
        [OffsetRange(*key, 0, end) for key, end in sorted(below.items())],
    )


def landed(lake: str, day: date) -> list[str]:
    """The topics of which events of a day may have landed."""

    def any_of(topic: str) -> bool:
        amendments = commit_metadata.read(lake, AMENDMENTS, f"raw/{topic}").to_pylist()
        return any(_may_hold(receipts(lake, topic).to_pylist(), amendments, day))

    return [topic for topic in TOPICS if any_of(topic)]


def _may_hold(
    told: list[dict[str, Any]], amendments: list[dict[str, Any]], day: date
) -> Iterator[tuple[OffsetRange, datetime | None]]:
    """The offsets that may hold events of the day, and when they landed, if that is known."""
    for part in told:
        first, last = part["first_event_time"], part["last_event_time"]
        if first is not None and first.date() <= day <= last.date():
            yield (
                OffsetRange(part["topic_id"], part["partition"], part["start_offset"], part["end_offset"]),
                part["committed_at"],
            )
    for each in amendments:
        for offset in (
            each["replayed"] or ()
        ):  # records in quarantine have no time: once replayed they may be of any day
            yield OffsetRange(each["topic_id"], each["partition"], offset, offset + 1), None
