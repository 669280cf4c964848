"""Which versions of its sources a derived table was made from, and so what is new for it.

A derived table's commit says so in its `userMetadata`: `{"sources": {"raw/orders": {"version": 17}}}`. It is part of the
commit, so rows and bookkeeping can never disagree, and a run that was killed leaves both as they were.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shopnow.lake.delta import log
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import Kind, RecordId
from shopnow.lake.ingest.receipts import RECEIPTS

REBUILD_KEY = "rebuild"
"""Metadata key of a commit that writes rows anew which were there before, or should have been."""

_LOOK_BACK = 10
MAX_RANGES = 100
"""Beyond this many ranges, looking for exactly what is new costs more than looking at everything."""


class Materialization(NamedTuple):
    """The versions a derived table was made from, by table name, and when; nothing and None if it was not made yet."""

    sources: dict[str, int]
    at: datetime | None


class OffsetRange(NamedTuple):
    """The records [start, end) of a topic partition."""

    topic_id: str
    partition: int
    start: int
    end: int


def describe(sources: Mapping[str, int]) -> str:
    """The `userMetadata` of a commit made from these versions, by table name."""
    return json.dumps({"sources": {name: {"version": version} for name, version in sorted(sources.items())}})


def last_materialization(table: Table, version: int) -> Materialization:
    """What a derived table at `version` was made from."""
    # As a rule the newest commit tells; maintenance in between does not.
    for first in sorted({max(version - _LOOK_BACK, 0), 0}, reverse=True):
        for _, actions in reversed(list(table.commits(version, first))):
            if described := _described(log.info(actions)):
                return Materialization(
                    described, datetime.fromtimestamp(log.info(actions)["timestamp"] / 1000, UTC)
                )
    return Materialization({}, None)


def sources(table: Table, version: int) -> dict[str, int]:
    """The versions that a derived table at `version` was made from, by table name; empty if it was not made yet."""
    return last_materialization(table, version).sources


def new_offsets(table: Table, after: int | None, until: int) -> list[OffsetRange] | None:
    """The records that the raw table gained after one version and up to another, in ranges that do not overlap.

    Records that left the quarantine meanwhile are among them, each as exactly as those that landed. They are told by receipts and
    amendments in the commits, not by the files these added: compaction rewrites files, what the commits say stays. As data
    files carry statistics of partition and offset, a reader opens only those that may hold the records.

    None if every record may be new: there is no version to start from, the commits do not tell, or there are too many ranges.
    """
    commits = _commits(table, after, until)
    if commits is None:
        return None
    landed: dict[tuple[str, int], OffsetRange] = {}
    replayed: set[RecordId] = set()
    for actions in commits:
        if receipt := log.info(actions).get(RECEIPTS.key):
            for part in _ranges(json.loads(receipt)):
                known = landed.get(part[:2], part)
                landed[part[:2]] = part._replace(
                    start=min(part.start, known.start), end=max(part.end, known.end)
                )
        elif amendment := amendments.read(actions):
            replayed.update(amendment.replayed)
        elif _changed_partitions(actions, "ingest_date"):
            return None  # rows changed otherwise than by landing, and the commit does not say how
    older = [place for place in replayed if place[:2] not in landed or place.offset < landed[place[:2]].start]
    found = sorted([*landed.values(), *_joined(older)])
    return found if len(found) <= MAX_RANGES else None


def changed_dates(
    table: Table, after: int | None, until: int, column: str = "event_date"
) -> dict[str, int | None] | None:
    """The dates, by the column a table is partitioned by, whose rows changed after one version and up to another; None if all may have.

    With each date goes how many rows it gained, or None if rows of it were also removed or written anew. Told by the files
    that the commits added or removed, leaving out those of compaction, which change no row, and of erasures, which change
    nothing that counts.
    """
    commits = _commits(table, after, until)
    if commits is None:
        return None
    found: dict[str, int | None] = {}
    for actions in commits:
        if _amendment(actions) is Kind.ERASURE:
            continue
        anew = REBUILD_KEY in log.info(actions)
        for action in actions:
            file = action.get("add") or action.get("remove")
            if file and file.get("dataChange") and (date := file["partitionValues"].get(column)):
                known = found.get(date, 0)
                found[date] = None if anew or known is None or "remove" in action else known + _rows(file)
    return found


def is_changed(table: Table, after: int | None, until: int) -> bool:
    """Whether rows of a table changed, otherwise than by an erasure, after one version and up to another, or may have."""
    commits = _commits(table, after, until)
    return commits is None or not all(_keeps_rows(actions) for actions in commits)


def latest_equivalent_version(table: Table, version: int, upto: int) -> int:
    """The newest version, at most `upto`, that has the same rows as `version`.

    Compaction writes the same rows into other files, and VACUUM later takes those they were in: who still has to read what a
    derived table was made from reads this version. Erasure is passed over as well: what it took is to be read by no one.
    """
    for number, actions in table.commits(upto, version + 1):
        if number != version + 1 or not _keeps_rows(actions):
            break
        version = number
    return version


def _keeps_rows(actions: log.Actions) -> bool:
    """Whether a commit changed no row, or only erased some."""
    files = (action.get("add") or action.get("remove") for action in actions)
    return not any(file and file.get("dataChange") for file in files) or _amendment(actions) is Kind.ERASURE


def _commits(table: Table, after: int | None, until: int) -> list[log.Actions] | None:
    """The commits in between; None if there is no version to start from, or the log has been cleaned up since."""
    if after is None:
        return None
    if until <= after:
        return []
    commits = [actions for _, actions in table.commits(until, after + 1)]
    return commits if len(commits) == until - after else None


def _amendment(actions: log.Actions) -> Kind | None:
    found = amendments.read(actions)
    return found.kind if found else None


def _described(info: dict[str, Any]) -> dict[str, int]:
    try:
        return {
            name: source["version"] for name, source in json.loads(info["userMetadata"])["sources"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # a commit without metadata, or with someone else's


def _ranges(receipt: dict[str, Any]) -> list[OffsetRange]:
    parts = receipt["partitions"]
    return [
        OffsetRange(receipt["topic_id"], part["partition"], part["start_offset"], part["end_offset"])
        for part in parts
        if part["rows"]
    ]


def _changed_partitions(actions: log.Actions, column: str) -> set[str | None]:
    files = (action.get("add") or action.get("remove") for action in actions)
    return {file["partitionValues"].get(column) for file in files if file and file.get("dataChange")}


def _rows(file: dict[str, Any]) -> int:
    return json.loads(file.get("stats") or "{}").get("numRecords", 0)


def _joined(places: Iterable[RecordId]) -> list[OffsetRange]:
    """The places as ranges, neighbours in one."""
    found: list[OffsetRange] = []
    for topic_id, partition, offset in sorted(places):
        if found and found[-1][:2] == (topic_id, partition) and found[-1].end == offset:
            found[-1] = found[-1]._replace(end=offset + 1)
        else:
            found.append(OffsetRange(topic_id, partition, offset, offset + 1))
    return found
