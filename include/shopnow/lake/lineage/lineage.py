"""Lineage: the source versions of a derived table, and what its sources have gained since.

A derived table's commit holds them in its `userMetadata`: `{"sources": {"raw/orders": {"version": 17}}}`.
They are part of the commit, so rows and lineage never disagree, and a killed run changes neither.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from shopnow.lake.delta import log
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import Kind, RecordId
from shopnow.lake.ingest.receipts import RECEIPTS

REBUILD_KEY = "rebuild"
"""Metadata key of a commit that rebuilds rows of a day."""

RESET = '{"sources":{}}'
"""`userMetadata` of a commit that removes all rows of a derived table, so that they are computed again."""

MAX_RANGES = 100
"""Beyond this many ranges, reading exactly the new records costs more than reading all."""

_KEEP_DERIVED = {Kind.ERASURE, Kind.REVALIDATION, Kind.DAMAGE}
"""Amendments after which derived rows stay as they are."""

_LOOK_BACK = 10


class Materialization(NamedTuple):
    """Source versions of a derived table by name, and the commit's time; empty and None before the first."""

    sources: dict[str, int]
    at: datetime | None


class OffsetRange(NamedTuple):
    """The offsets `[start, end)` of a topic partition."""

    topic_id: str
    partition: int
    start: int
    end: int


def describe(sources: Mapping[str, int]) -> str:
    """Return the `userMetadata` of a commit with these source versions, by table name."""
    document = {"sources": {name: {"version": version} for name, version in sorted(sources.items())}}
    return msgspec.json.encode(document).decode()


def last_materialization(table: Table, version: int) -> Materialization:
    """Return the lineage of the last commit up to `version` that wrote derived rows."""
    # It is usually the newest commit, but maintenance commits have no lineage.
    for first in sorted({max(version - _LOOK_BACK, 0), 0}, reverse=True):
        for _, actions in reversed(list(table.commits(version, first))):
            info = log.info(actions)
            source_versions = _parse_sources(info)
            if source_versions is not None:
                return Materialization(source_versions, datetime.fromtimestamp(info["timestamp"] / 1000, UTC))
    return Materialization({}, None)


def sources(table: Table, version: int) -> dict[str, int]:
    """Return the source versions of a derived table at `version` by table name; empty before the first."""
    return last_materialization(table, version).sources


def new_offsets(table: Table, after: int | None, until: int) -> list[OffsetRange] | None:
    """Return the records that a raw table gained in the versions `(after, until]`, in disjoint ranges.

    They include the records that left the quarantine. They are derived from the receipts and amendments in
    the commits, not from the added files, which compaction rewrites. As data files have statistics of
    partition and offset, a reader opens only the files that may hold the records.

    Returns:
        The ranges; None if every record may be new, as `after` is None, the log does not tell, or there are
        more than `MAX_RANGES`.
    """
    commits = _commits(table, after, until)
    if commits is None:
        return None
    landed: dict[tuple[str, int], OffsetRange] = {}
    replayed: set[RecordId] = set()
    for actions in commits:
        if receipt := log.info(actions).get(RECEIPTS.key):
            for range_ in _ranges(msgspec.json.decode(receipt)):
                merged = landed.get(range_[:2], range_)
                landed[range_[:2]] = range_._replace(
                    start=min(range_.start, merged.start), end=max(range_.end, merged.end)
                )
        elif amendment := amendments.read(actions):
            replayed.update(amendment.replayed)
        elif _changed_partitions(actions, "ingest_date"):
            return None  # the commit changed rows, but has neither receipt nor amendment
    landed_earlier = [
        record_id
        for record_id in replayed
        if record_id[:2] not in landed or record_id.offset < landed[record_id[:2]].start
    ]
    ranges = sorted([*landed.values(), *_join(landed_earlier)])
    return ranges if len(ranges) <= MAX_RANGES else None


def changed_dates(
    table: Table, after: int | None, until: int, column: str = "event_date"
) -> dict[str, int | None] | None:
    """Return the dates whose rows changed in the versions `(after, until]`, by added and removed files.

    Compaction, which changes no row, and erasure, which changes no value that KPIs use, are ignored.

    Args:
        column: the partition column.

    Returns:
        The number of rows that each date gained, None for a date with removed or rebuilt rows; None instead
        of a dict if any date may have changed.
    """
    commits = _commits(table, after, until)
    if commits is None:
        return None
    gained: dict[str, int | None] = {}
    for actions in commits:
        if _amendment_kind(actions) in _KEEP_DERIVED:
            continue
        is_rebuild = REBUILD_KEY in log.info(actions)
        for action in actions:
            file = action.get("add") or action.get("remove")
            if file and file.get("dataChange") and (date := file["partitionValues"].get(column)):
                rows = gained.get(date, 0)
                is_unknown = is_rebuild or rows is None or "remove" in action
                gained[date] = None if is_unknown else (rows or 0) + _num_records(file)
    return gained


def is_changed(table: Table, after: int | None, until: int) -> bool:
    """Return whether rows changed, except by erasure, in the versions `(after, until]`; True if unknown."""
    commits = _commits(table, after, until)
    return commits is None or not all(_keeps_rows(actions) for actions in commits)


def latest_equivalent_version(table: Table, version: int, upto: int) -> int:
    """Return the newest version up to `upto` that has the same rows as `version`.

    Compaction writes the same rows into other files and VACUUM later removes the old ones, so a reader of a
    derived table's sources reads this version. Erasure is ignored as well: nobody may read the erased data.
    """
    for number, actions in table.commits(upto, version + 1):
        if number != version + 1 or not _keeps_rows(actions):
            break
        version = number
    return version


def _keeps_rows(actions: log.Actions) -> bool:
    """Return whether a commit changed no row, or only rows whose events it changed alike."""
    files = (action.get("add") or action.get("remove") for action in actions)
    return (
        not any(file and file.get("dataChange") for file in files)
        or _amendment_kind(actions) in _KEEP_DERIVED
    )


def _commits(table: Table, after: int | None, until: int) -> list[log.Actions] | None:
    """Return the commits `(after, until]`; None if `after` is None or the log no longer has all of them."""
    if after is None:
        return None
    if until <= after:
        return []
    commits = [actions for _, actions in table.commits(until, after + 1)]
    return commits if len(commits) == until - after else None


def _amendment_kind(actions: log.Actions) -> Kind | None:
    amendment = amendments.read(actions)
    return amendment.kind if amendment else None


def _parse_sources(info: dict[str, Any]) -> dict[str, int] | None:
    """Return the source versions in a commit, none after `RESET`; None if it has no lineage."""
    try:
        return {
            name: source["version"] for name, source in json.loads(info["userMetadata"])["sources"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # a commit without metadata, or with that of another application


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


def _num_records(file: dict[str, Any]) -> int:
    return json.loads(file.get("stats") or "{}").get("numRecords", 0)


def _join(record_ids: Iterable[RecordId]) -> list[OffsetRange]:
    """Return the records as ranges of consecutive offsets."""
    ranges: list[OffsetRange] = []
    for topic_id, partition, offset in sorted(record_ids):
        if ranges and ranges[-1][:2] == (topic_id, partition) and ranges[-1].end == offset:
            ranges[-1] = ranges[-1]._replace(end=offset + 1)
        else:
            ranges.append(OffsetRange(topic_id, partition, offset, offset + 1))
    return ranges
