"""Retention of raw records: remove old records, whole ingest dates at a time.

Only records that the events tables already hold are removed, so no event is lost. The commit is an amendment
that records what it removed, so receipts and rows can still be compared.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import NamedTuple

import pyarrow as pa
from deltalake import DeltaTable

from shopnow.dates import add_days_clamped
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata, file_swap, tables
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import AMENDMENTS, Amendment, Kind, PartitionChange
from shopnow.lake.lineage import lineage
from shopnow.lake.lineage.lineage import OffsetRange

ATTEMPTS = 3

_Changes = dict[tuple[str, int], PartitionChange]
"""By topic id and partition."""


class Expired(NamedTuple):
    """Dates and number of rows removed from a raw table."""

    table: str
    dates: list[str]
    rows: int


def expire(lake: str, days: int, today: date, by: str) -> list[Expired]:
    """Remove from the raw tables the dates that ended `days` days ago or more.

    Args:
        by: author of the amendments.

    Returns:
        The tables with removed dates.

    Raises:
        UserError: other writers changed the same files at every attempt.
        deltalake.exceptions.DeltaError, OSError: the lake failed; the next run removes the rest.
    """
    raw_tables = [Table(lake, f"raw/{topic}") for topic in TOPICS]
    results = [_expire(raw, days, today, by) for raw in raw_tables if raw.exists()]
    return [expired for expired in results if expired]


def expired_offsets(table: Table, version: int) -> dict[tuple[str, int], int]:
    """Return by topic id and partition the offset below which records had expired at a version."""
    offsets: dict[tuple[str, int], int] = {}
    for row in commit_metadata.read(table, AMENDMENTS, version).to_pylist():
        if row["expired_below"] is not None:
            key = row["topic_id"], row["partition"]
            offsets[key] = max(row["expired_below"], offsets.get(key, 0))
    return offsets


def _expire(raw: Table, days: int, today: date, by: str) -> Expired | None:
    def attempt() -> Expired | None:
        snapshot = raw.open()
        cutoff = str(add_days_clamped(today, -days))
        dates, changes = _removable(snapshot, cutoff, _pending(raw, snapshot.version()))
        if not dates:
            return None
        amendment = Amendment(
            Kind.EXPIRY, f"older than {days} days", by, [changes[key] for key in sorted(changes)]
        )
        files = [file for file in file_swap.data_files(snapshot) if file.partition["ingest_date"] in dates]
        metadata = {amendments.METADATA_KEY: amendments.dumps(amendment)}
        file_swap.replace(snapshot, files, [], data_change=True, metadata=metadata)
        return Expired(raw.name, dates, sum(change.removed.rows for change in changes.values()))

    return retry_on_conflict(
        attempt,
        attempts=ATTEMPTS,
        exhausted=UserError(
            f"{raw.name}: others changed the files that were to be removed, {ATTEMPTS} times; run again"
        ),
    )


def _pending(raw: Table, version: int) -> list[OffsetRange] | None:
    """Return the records of a raw table that its events table does not hold yet; None if any may be."""
    events = Table(raw.lake, raw.name.replace("raw/", "events/"))
    if not events.exists():
        return None
    source_version = lineage.sources(events, events.version()).get(raw.name)
    return lineage.new_offsets(raw, source_version, version)


def _removable(
    snapshot: DeltaTable, cutoff: str, pending: Iterable[OffsetRange] | None
) -> tuple[list[str], _Changes]:
    """Return the dates before the cutoff to remove, oldest first without a gap, and their content."""
    all_dates = sorted(
        {str(file.partition["ingest_date"]) for file in file_swap.data_files(snapshot)} - {"None"}
    )
    dates: list[str] = []
    changes: _Changes = {}
    for day in all_dates if pending is not None else []:
        if day >= cutoff:
            break
        of_day = _content(snapshot, day)
        if any(_overlaps(change, range_) for change in of_day.values() for range_ in pending or ()):
            break
        dates.append(day)
        changes = _merge(changes, of_day)
    return dates, changes


def _overlaps(change: PartitionChange, range_: OffsetRange) -> bool:
    is_same_partition = (change.topic_id, change.partition) == range_[:2]
    return is_same_partition and (change.expired_below or 0) > range_.start


def _content(snapshot: DeltaTable, day: str) -> _Changes:
    """Return the changes that removing a date makes."""
    changes: _Changes = {}
    for batch in tables.batches(
        snapshot, ["topic_id", "partition", "offset", "key", "value"], f"ingest_date = DATE '{day}'"
    ):
        rows = pa.Table.from_batches([batch])
        removed = amendments.digests(rows)
        for last in rows.group_by(["topic_id", "partition"]).aggregate([("offset", "max")]).to_pylist():
            key = last["topic_id"], last["partition"]
            change = PartitionChange(*key, removed[key], expired_below=last["offset_max"] + 1)
            changes = _merge(changes, {key: change})
    return changes


def _merge(first: _Changes, second: _Changes) -> _Changes:
    merged = dict(first)
    for key, change in second.items():
        base = merged.get(key, PartitionChange(*key))
        below = max(base.expired_below or 0, change.expired_below or 0)
        merged[key] = replace(base, removed=base.removed + change.removed, expired_below=below)
    return merged
