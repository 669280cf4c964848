"""Read the newest records of a topic, and follow it as records arrive."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from shopnow.broker import reader, topic_state
from shopnow.broker.client import Conf
from shopnow.broker.reader import Header, Ranges

_POLL_SECONDS = 1.0


class Record(NamedTuple):
    """A committed record; `timestamp` is in ms since 1970, UTC."""

    timestamp: int
    partition: int
    offset: int
    value: bytes | None
    headers: list[Header] | None = None


class Tail(NamedTuple):
    """The newest records of a topic, oldest first by the sort key."""

    records: list[Record]
    ends: dict[int, int]
    """By partition, the offset from which to follow."""


def read_tail(conf: Conf, topic: str, limit: int, sort_key: Callable[[Record], Any]) -> Tail:
    """Return the last `limit` committed records of a topic, or all if it has fewer.

    Args:
        sort_key: orders records across partitions; within a partition it must about follow the offsets.

    Raises:
        UserError: the topic does not exist, or Kafka does not respond.
    """
    state = topic_state.describe(conf, [topic])[topic]
    records: dict[int, list[Record]] = {}
    incomplete, span = dict(state.partitions), limit + 10
    while incomplete:
        # Some offsets hold no record, so a partition may have to be read further back.
        ranges = {
            partition: (max(earliest, end - span), end) for partition, (earliest, end) in incomplete.items()
        }
        records |= {partition: [] for partition in ranges}
        for record in _read(conf, topic, ranges):
            records[record.partition].append(record)
        incomplete = {
            partition: state.partitions[partition]
            for partition in incomplete
            if len(records[partition]) < limit and ranges[partition][0] > state.partitions[partition][0]
        }
        span *= 8
    candidates = (record for group in records.values() for record in group[-limit:])
    return Tail(sorted(candidates, key=sort_key)[-limit:], state.end_offsets)


def follow(
    conf: Conf, topic: str, ends: dict[int, int], sort_key: Callable[[Record], Any]
) -> Iterator[list[Record]]:
    """Yield batches of the records committed from `ends` on, for ever.

    Raises:
        UserError: the topic was deleted, or Kafka does not respond.
    """
    ends = dict(ends)
    while True:
        state = topic_state.describe(conf, [topic])[topic]
        ranges = {
            partition: (max(ends.get(partition, 0), earliest), end)
            for partition, (earliest, end) in state.partitions.items()
        }
        if records := sorted(_read(conf, topic, ranges), key=sort_key):
            yield records
        ends = state.end_offsets
        time.sleep(_POLL_SECONDS)


def _read(conf: Conf, topic: str, ranges: Ranges) -> Iterator[Record]:
    for chunk in reader.read(conf, topic, ranges):
        for timestamp, offset, value, headers in zip(
            chunk.timestamps, chunk.offsets, chunk.values, chunk.headers, strict=True
        ):
            yield Record(timestamp, chunk.partition, offset, value, headers)
