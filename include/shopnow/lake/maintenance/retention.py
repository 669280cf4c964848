"""Retention of raw records: those of days long gone are removed, whole days at a time.

Only what the events tables were already made from is removed, so no event is lost by it. The commit says what it removed,
as an amendment: receipts and rows can still be compared.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

import pyarrow as pa
from deltalake import DeltaTable

from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata, file_swap, tables
from shopnow.lake.delta.file_swap import OvertakenError
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import AMENDMENTS, Amendment, Kind, Part
from shopnow.lake.lineage import lineage
from shopnow.lake.lineage.lineage import OffsetRange

ATTEMPTS = 3

_Removed = dict[tuple[str, int], Part]
"""By topic id and partition."""


class Expired(NamedTuple):
    """What was removed from a raw table."""

    table: str
    dates: list[str]
    rows: int


def expire(lake: str, days: int, today: date, by: str) -> list[Expired]:
    """Remove from the raw tables the dates that ended `days` days ago or more; nothing for tables that have none.

    Args:
        by: who wants it, for the record.

    Raises:
        deltalake.exceptions.DeltaError, OSError: the lake failed; the next run does the rest.
    """
    raw_tables = [Table(lake, f"raw/{topic}") for topic in TOPICS]
    done = [_expire(raw, days, today, by) for raw in raw_tables if raw.exists()]
    return [each for each in done if each]


def expired(table: Table, version: int) -> dict[tuple[str, int], int]:
    """The offset below which records of a raw table were removed up to a version, by topic id and partition."""
    found: dict[tuple[str, int], int] = {}
    for row in commit_metadata.read(table.lake, AMENDMENTS, table.name, version).to_pylist():
        if row["expired_below"] is not None:
            key = row["topic_id"], row["partition"]
            found[key] = max(row["expired_below"], found.get(key, 0))
    return found


def _expire(raw: Table, days: int, today: date, by: str) -> Expired | None:
    for _ in range(ATTEMPTS):
        table = raw.open()
        dates, removed = _removable(table, str(today - timedelta(days=days)), _unread(raw, table.version()))
        if not dates:
            return None
        amendment = Amendment(
            Kind.EXPIRY, f"older than {days} days", by, [removed[key] for key in sorted(removed)]
        )
        files = [file for file in file_swap.data_files(table) if file.partition["ingest_date"] in dates]
        try:
            file_swap.replace(
                table,
                files,
                [],
                data_change=True,
                metadata={amendments.METADATA_KEY: amendments.dumps(amendment)},
            )
        except OvertakenError:
            continue
        return Expired(raw.name, dates, sum(part.removed.rows for part in removed.values()))
    raise UserError(
        f"{raw.name}: others changed the files that were to be removed, {ATTEMPTS} times; run again"
    )


def _unread(raw: Table, version: int) -> list[OffsetRange] | None:
    """The records of a raw table that its events were not made from yet; None if that may be any."""
    events = Table(raw.lake, raw.name.replace("raw/", "events/"))
    if not events.exists():
        return None
    read = lineage.sources(events, events.version()).get(raw.name)
    return lineage.new_offsets(raw, read, version)


def _removable(
    table: DeltaTable, before: str, unread: Iterable[OffsetRange] | None
) -> tuple[list[str], _Removed]:
    """The dates before that one which can go, the oldest first and without a gap, and what they hold."""
    old = sorted({str(file.partition["ingest_date"]) for file in file_swap.data_files(table)} - {"None"})
    dates: list[str] = []
    removed: _Removed = {}
    for day in old if unread is not None else []:
        if day >= before:
            break
        parts = _parts(table, day)
        if any(_overlap(part, range_) for part in parts.values() for range_ in unread or ()):
            break
        dates.append(day)
        removed = _together(removed, parts)
    return dates, removed


def _overlap(part: Part, range_: OffsetRange) -> bool:
    return (part.topic_id, part.partition) == range_[:2] and (part.expired_below or 0) > range_.start


def _parts(table: DeltaTable, day: str) -> _Removed:
    """What a date holds."""
    found: _Removed = {}
    for batch in tables.batches(
        table, ["topic_id", "partition", "offset", "key", "value"], f"ingest_date = DATE '{day}'"
    ):
        rows = pa.Table.from_batches([batch])
        removed = amendments.digests(rows)
        for last in rows.group_by(["topic_id", "partition"]).aggregate([("offset", "max")]).to_pylist():
            key = last["topic_id"], last["partition"]
            found = _together(found, {key: Part(*key, removed[key], expired_below=last["offset_max"] + 1)})
    return found


def _together(one: _Removed, other: _Removed) -> _Removed:
    result = dict(one)
    for key, part in other.items():
        known = result.get(key, Part(*key))
        below = max(known.expired_below or 0, part.expired_below or 0)
        result[key] = replace(known, removed=known.removed + part.removed, expired_below=below)
    return result
