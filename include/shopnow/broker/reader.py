"""Reads an exact range of a topic: what was committed in `[start, end)` of each partition, no more and no less."""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from operator import methodcaller
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from shopnow.broker import client, topics
from shopnow.broker.client import Conf
from shopnow.errors import UserError

Ranges = Mapping[int, tuple[int, int]]
"""Per partition the first offset and the one after the last."""

Header = tuple[str, bytes | None]

UNREADABLE_HEADERS: list[Header] = [("(unreadable)", None)]

QUEUE_BYTES = 128 << 20
CHUNK_RECORDS = 4000
IDLE_TIMEOUT_SECONDS = 30.0

_error_of = methodcaller("error")
_headers_of = methodcaller("headers")


class Chunk(NamedTuple):
    """Records of one partition in the order of their offsets, as columns of equal length; timestamps in ms since 1970, UTC."""

    partition: int
    offsets: list[int]
    timestamps: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[list[Header] | None]


class MissingOffsets(UserError):
    """Offsets that were still to be read are gone from Kafka: `[start, end)` of a partition, so at most `end - start` records."""

    def __init__(self, topic: str, partition: int, start: int, end: int) -> None:
        super().__init__(topic, partition, start, end)
        self.topic, self.partition, self.start, self.end = topic, partition, start, end

    def __str__(self) -> str:
        return (
            f"topic {self.topic}, partition {self.partition}: offsets {self.start} to {self.end - 1} are gone from Kafka before "
            f"they were read, at most {self.end - self.start} records lost; nothing more of this topic is landed"
        )


class TruncatedTopic(UserError):
    """Kafka has fewer records than were already read: the end of a partition was cut off, and offsets may have been given twice."""


def check_position(topic: str, partition: int, position: int, earliest: int, stable: int) -> None:
    """Make sure that a partition that reaches from `earliest` to `stable` can be read on at `position`.

    Raises:
        MissingOffsets: it begins later.
        TruncatedTopic: it ends earlier.
    """
    if position < earliest:
        raise MissingOffsets(topic, partition, position, earliest)
    if position > stable:
        raise TruncatedTopic(
            f"topic {topic}, partition {partition}: read up to offset {position} but Kafka now ends at {stable}; "
            f"its last {position - stable} records were cut off, and new ones may take their offsets"
        )


def read(
    conf: Conf,
    topic: str,
    ranges: Ranges,
    *,
    chunk: int = CHUNK_RECORDS,
    queue_bytes: int = QUEUE_BYTES,
    patience_seconds: float = IDLE_TIMEOUT_SECONDS,
) -> Iterator[Chunk]:
    """The committed records of the ranges, each partition's in order, up to `chunk` records at a time.

    Every range must end at or before the partition's last stable offset. Offsets without a record in them (transaction
    markers, aborted or compacted records) are passed over, so a range may give fewer records than it is long.

    Args:
        queue_bytes: how much is fetched ahead, the better part of what reading needs in memory.
        patience_seconds: how long Kafka may stay silent.

    Raises:
        MissingOffsets: Kafka removed records of the range before they were read.
        UserError: Kafka does not answer.
    """
    ends = {partition: end for partition, (start, end) in ranges.items() if start < end}
    positions = {partition: ranges[partition][0] for partition in ends}
    trouble: list[KafkaError] = []
    consumer = _consumer(conf, queue_bytes, trouble)
    try:
        consumer.assign(
            [TopicPartition(topic, partition, position) for partition, position in positions.items()]
        )
        heard = time.monotonic()
        while ends:
            messages = consumer.consume(chunk, timeout=0.1)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > patience_seconds:
                raise client.unavailable(
                    conf, trouble[-1].str() if trouble else f"silent for {patience_seconds:.0f} s"
                )
            records, notices = _sort(messages)
            for partition, group in records.items():
                if partition not in ends:
                    continue
                offsets = [m.offset() for m in group]
                within = (
                    len(offsets) if offsets[-1] < ends[partition] else bisect_left(offsets, ends[partition])
                )
                if within:
                    positions[partition] = offsets[within - 1] + 1
                    yield _columns(partition, offsets[:within], group[:within])
                if offsets[-1] + 1 >= ends[partition]:
                    _finish(consumer, topic, partition, ends)
            for notice in notices:
                partition = notice.partition()
                if (
                    partition in ends
                    and _at_end(conf, topic, notice, positions)
                    and notice.offset() >= ends[partition]
                ):
                    _finish(consumer, topic, partition, ends)
    except KafkaException as error:
        raise client.to_user_error(conf, error) from error
    finally:
        consumer.close()


def _consumer(conf: Conf, queue_bytes: int, trouble: list[KafkaError]) -> Consumer:
    # Small queues cost more than half of the speed. The group is never joined: partitions are assigned, offsets never stored.
    return client.consumer(
        conf,
        {
            "group.id": "shopnow-reader",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "queued.min.messages": 200_000,
            "queued.max.messages.kbytes": max(queue_bytes >> 10, 1),
            "max.partition.fetch.bytes": 8 << 20,
            "fetch.max.bytes": 50 << 20,
            "fetch.wait.max.ms": 50,
            "fetch.queue.backoff.ms": 20,
            "error_cb": trouble.append,
        },
    )


def _sort(messages: list[Message]) -> tuple[dict[int, list[Message]], list[Message]]:
    """Records by partition, and what is not a record: ends of partitions and errors."""
    notices: list[Message] = []
    if any(map(_error_of, messages)):
        notices = [m for m in messages if m.error() is not None]
        messages = [m for m in messages if m.error() is None]
    if not messages:
        return {}, notices
    partitions = [m.partition() for m in messages]
    first = partitions[0]
    if partitions.count(first) == len(partitions):
        return {first: messages}, notices
    groups: dict[int, list[Message]] = defaultdict(list)
    for partition, message in zip(partitions, messages, strict=True):
        groups[partition].append(message)
    return groups, notices


def _columns(partition: int, offsets: list[int], messages: list[Message]) -> Chunk:
    # One list comprehension a column: a loop that makes tuples costs three times as much.
    return Chunk(
        partition,
        offsets,
        [m.timestamp()[1] for m in messages],
        [m.key() for m in messages],
        [m.value() for m in messages],
        decode_headers(messages),
    )


def decode_headers(messages: Sequence[Message]) -> list[list[Header] | None]:
    """The headers of each message, `UNREADABLE` where a header's name is not UTF-8, which the client library cannot bear.

    It must not be asked twice for those: the second time it hands out broken objects.
    """
    found: list[list[Header] | None] = []
    while len(found) < len(messages):
        try:
            found.extend(map(_headers_of, messages[len(found) :]))
        except (SystemError, UnicodeDecodeError):
            found.append(UNREADABLE_HEADERS)
    return found


def _finish(consumer: Consumer, topic: str, partition: int, ends: dict[int, int]) -> None:
    """Stop fetching a partition whose range has been read."""
    del ends[partition]
    if ends:
        consumer.incremental_unassign([TopicPartition(topic, partition)])


def _at_end(conf: Conf, topic: str, notice: Message, positions: Mapping[int, int]) -> bool:
    """Whether the notice says that all records of a partition were read; anything worse is raised."""
    error = notice.error()
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        earliest, stable = topics.describe(conf, [topic])[topic].partitions[notice.partition()]
        check_position(topic, notice.partition(), positions[notice.partition()], earliest, stable)
    if error.retriable() or error.code() in {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
    }:
        return False
    raise client.to_user_error(conf, error)
