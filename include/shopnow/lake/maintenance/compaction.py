"""Compaction plan: the files of a table to merge, and the layout of the new files."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from shopnow.lake.delta.file_swap import DataFile, Partition

TARGET_BYTES = 256 << 20
"""Target file size, in bytes."""

MAX_FILES = 2
"""Number of files of a date that are not compacted, so that a few late events do not rewrite all its rows."""

MAX_UNDATED_FILES = 20
"""The same for a table without dates, to which each run adds a small file."""

# Files of at least this share of the target are not merged: nothing would be gained.
_SMALL_FILE_SHARE = 0.5


class Layout(NamedTuple):
    """Sort order of a table's rows, and the columns with file statistics for file skipping."""

    order: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()


_LAYOUTS = {
    # Audits and replays read ranges of offsets.
    "raw": Layout(
        ("topic_id", "partition", "offset"), ("topic_id", "partition", "offset", "timestamp", "problem")
    ),
    # An event_id begins with its time, so this also sorts by time.
    "events": Layout(
        ("event_id",),
        ("event_id", "event_type", "event_time", "source_topic_id", "source_partition", "source_offset"),
    ),
}


class Group(NamedTuple):
    """Files of one partition to merge into `target_files` files."""

    partition: Partition
    files: list[DataFile]
    target_files: int

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.partition.items()) or "all rows"


def layout(name: str) -> Layout:
    """Return the layout of a table by name."""
    return _LAYOUTS.get(name.partition("/")[0], Layout())


def plan(files: Iterable[DataFile], before: date, target_bytes: int = TARGET_BYTES) -> list[Group]:
    """Return the groups of files to merge; empty if there is nothing to gain.

    Args:
        before: dates from this one on are skipped, as landing still adds to them.
    """
    partitions: dict[tuple, list[DataFile]] = {}
    for file in files:
        partitions.setdefault(tuple(file.partition.items()), []).append(file)
    groups = []
    for key, partition_files in sorted(partitions.items(), key=str):
        partition = dict(key)
        small = [file for file in partition_files if file.size < _SMALL_FILE_SHARE * target_bytes]
        target_files = max(1, round(sum(file.size for file in small) / target_bytes))
        max_files = MAX_FILES if partition else MAX_UNDATED_FILES
        is_excessive = len(partition_files) > max_files and target_files < len(small)
        if is_excessive and _is_closed(partition, before):
            groups.append(Group(partition, small, target_files))
    return groups


def _is_closed(partition: Partition, before: date) -> bool:
    return all(value is not None and _date(value) < before for value in partition.values())


def _date(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return date.max  # not a date: never closed
