"""Which raw records the events of a day were made from."""

from datetime import date
from typing import Any, NamedTuple

from shopnow.events import TOPICS
from shopnow.lake.lineage import OffsetRange
from shopnow.lake.receipts import receipts


class Records(NamedTuple):
    """Ranges of offsets, one a topic partition, and how many rows landing put there, valid or not."""

    ranges: list[OffsetRange]
    rows: int


def records(lake: str, topic: str, version: int, day: date) -> Records:
    """Where `raw/{topic}` at a version holds, or held, all events of a day, among others; told by the receipts."""
    told = receipts(lake, topic, version).to_pylist()
    found: dict[tuple[str, int], OffsetRange] = {}
    for part in filter(lambda part: _may_hold(part, day), told):
        key, start, end = (part["topic_id"], part["partition"]), part["start_offset"], part["end_offset"]
        known = found.get(key, OffsetRange(*key, start, end))
        found[key] = known._replace(start=min(start, known.start), end=max(end, known.end))
    rows = 0
    for part in told:
        range_ = found.get((part["topic_id"], part["partition"]))
        if range_ and range_.start <= part["start_offset"] and part["end_offset"] <= range_.end:
            rows += part["rows"]
    return Records([found[key] for key in sorted(found)], rows)


def landed(lake: str, day: date) -> list[str]:
    """The topics of which events of a day may have landed."""
    return [topic for topic in TOPICS if any(_may_hold(part, day) for part in receipts(lake, topic).to_pylist())]


def _may_hold(part: dict[str, Any], day: date) -> bool:
    first, last = part["first_event_time"], part["last_event_time"]
    # Records in quarantine have no time; once replayed they may be of any day.
    return part["quarantined"] > 0 or (first is not None and first.date() <= day <= last.date())
