"""The newest records of a topic, and those that come after them."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from shopnow.broker import reader, topics
from shopnow.broker.client import Conf
from shopnow.broker.reader import Ranges

_LOOK_SECONDS = 1.0


class Record(NamedTuple):
    """A committed record; `timestamp` in ms since 1970, UTC."""

    timestamp: int
    partition: int
    offset: int
    value: bytes | None


class Tail(NamedTuple):
    records: list[Record]
    """In the order asked for."""
    ends: dict[int, int]
    """By partition the offset after the last one looked at."""


def read_tail(conf: Conf, topic: str, limit: int, order: Callable[[Record], Any]) -> Tail:
    """The last `limit` committed records of a topic; fewer if it has not as many.

    Args:
        order: sorts records of different partitions, where those of one stay in about the order of their offsets.

    Raises:
        UserError: there is no such topic, or Kafka does not answer.
    """
    partitions = topics.describe(conf, [topic])[topic].partitions
    found: dict[int, list[Record]] = {}
    wanted, reach = dict(partitions), limit + 10
    while wanted:
        # Some offsets hold no record, so it may take a further look back.
        ranges = {
            partition: (max(earliest, end - reach), end) for partition, (earliest, end) in wanted.items()
        }
        found |= {partition: [] for partition in ranges}
        for record in _read(conf, topic, ranges):
            found[record.partition].append(record)
        wanted = {
            each: partitions[each]
            for each in wanted
            if len(found[each]) < limit and ranges[each][0] > partitions[each][0]
        }
        reach *= 8
    newest = sorted((record for records in found.values() for record in records[-limit:]), key=order)[-limit:]
    return Tail(newest, {partition: end for partition, (_, end) in partitions.items()})


def follow(
    conf: Conf, topic: str, ends: dict[int, int], order: Callable[[Record], Any]
) -> Iterator[list[Record]]:
    """What is committed from these offsets on, some records at a time, for ever.

    Raises:
        UserError: the topic is gone, or Kafka does not answer.
    """
    ends = dict(ends)
    while True:
        partitions = topics.describe(conf, [topic])[topic].partitions
        ranges = {
            each: (max(ends.get(each, 0), earliest), end) for each, (earliest, end) in partitions.items()
        }
        if records := sorted(_read(conf, topic, ranges), key=order):
            yield records
        ends = {partition: end for partition, (_, end) in partitions.items()}
        time.sleep(_LOOK_SECONDS)


def _read(conf: Conf, topic: str, ranges: Ranges) -> Iterator[Record]:
    for chunk in reader.read(conf, topic, ranges):
        for timestamp, offset, value in zip(chunk.timestamps, chunk.offsets, chunk.values, strict=True):
            yield Record(timestamp, chunk.partition, offset, value)
