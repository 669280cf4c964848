"""What compaction has to do: which files of a table are to become fewer, and how their rows are to lie."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from shopnow.lake.delta.file_swap import DataFile, Partition

TARGET_BYTES = 256 << 20
"""About how large a file shall become."""

MOST_FILES = 2
"""So many files of a date are left alone: a few late events do not make all of its rows be written again."""

MOST_UNDATED_FILES = 20
"""The same for a table without dates, which grows by a small file with each run."""

# A file of half the target or more gains nothing from being merged.
_SMALL = 0.5


class Layout(NamedTuple):
    """The order of a table's rows, and the columns by whose statistics readers skip files."""

    order: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()


_LAYOUTS = {
    # As they are asked for by audits and replays: ranges of offsets.
    "raw": Layout(
        ("topic_id", "partition", "offset"), ("topic_id", "partition", "offset", "timestamp", "problem")
    ),
    # An event_id begins with its time, so this is an order by time as well.
    "events": Layout(
        ("event_id",),
        ("event_id", "event_type", "event_time", "source_topic_id", "source_partition", "source_offset"),
    ),
}


class Group(NamedTuple):
    """Files of one partition that are to become `into` files."""

    partition: Partition
    files: list[DataFile]
    into: int

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.partition.items()) or "all rows"


def layout(name: str) -> Layout:
    """The layout of the table of that name."""
    return _LAYOUTS.get(name.partition("/")[0], Layout())


def plan(files: Iterable[DataFile], before: date, target_bytes: int = TARGET_BYTES) -> list[Group]:
    """What is to be done to a table with these files; nothing if there is nothing to gain.

    Args:
        before: dates from this one on are not closed: landing still adds to them, and they are left alone.
    """
    partitions: dict[tuple, list[DataFile]] = {}
    for file in files:
        partitions.setdefault(tuple(file.partition.items()), []).append(file)
    groups = []
    for key, found in sorted(partitions.items(), key=str):
        partition = dict(key)
        small = [file for file in found if file.size < _SMALL * target_bytes]
        into = max(1, round(sum(file.size for file in small) / target_bytes))
        most = MOST_FILES if partition else MOST_UNDATED_FILES
        if len(found) > most and into < len(small) and _closed(partition, before):
            groups.append(Group(partition, small, into))
    return groups


def _closed(partition: Partition, before: date) -> bool:
    return all(value is not None and _date(value) < before for value in partition.values())


def _date(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return date.max  # not a date: never closed
