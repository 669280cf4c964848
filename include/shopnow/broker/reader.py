"""Read exact offset ranges of a topic: the committed records in `[start, end)` of each partition."""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from shopnow.broker import client, topic_state
from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.framing import Header

Ranges = Mapping[int, tuple[int, int]]
"""By partition, the offset range `[start, end)`."""

UNREADABLE_HEADERS: list[Header] = [("(unreadable)", None)]
"""Stands for the headers of a record with a header name that is not UTF-8."""

GROUP = "shopnow-reader"
"""Id of the consumer group, which is never joined."""
QUEUE_BYTES = 128 << 20
CHUNK_RECORDS = 4000
IDLE_TIMEOUT_SECONDS = 30.0


class Chunk(NamedTuple):
    """Records of one partition in offset order, as columns; timestamps are in ms since 1970, UTC."""

    partition: int
    offsets: list[int]
    timestamps: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[list[Header] | None]


class MissingOffsets(UserError):
    """Kafka deleted the unread offsets `[start, end)` of a partition, thus at most `end - start` records."""

    def __init__(self, topic: str, partition: int, start: int, end: int) -> None:
        super().__init__(topic, partition, start, end)
        self.topic, self.partition, self.start, self.end = topic, partition, start, end

    def __str__(self) -> str:
        return (
            f"topic {self.topic}, partition {self.partition}: "
            f"offsets {self.start} to {self.end - 1} are gone from Kafka before they were read, "
            f"at most {self.end - self.start} records lost; landing of this topic stops"
        )


class TruncatedTopic(UserError):
    """A partition ends before the offset already read: it was truncated, and its offsets may be reused."""


def check_position(topic: str, partition: int, position: int, earliest: int, stable: int) -> None:
    """Check that a partition can be read on from `position`.

    Args:
        position: the next offset to read.
        earliest: the partition's first offset.
        stable: the partition's last stable offset.

    Raises:
        MissingOffsets: the partition starts after `position`.
        TruncatedTopic: the partition ends before `position`.
    """
    if position < earliest:
        raise MissingOffsets(topic, partition, position, earliest)
    if position > stable:
        raise TruncatedTopic(
            f"topic {topic}, partition {partition}: read up to offset {position} "
            f"but Kafka now ends at {stable}; its last {position - stable} records were cut off, "
            "and new records may reuse their offsets"
        )


def read(
    conf: Conf,
    topic: str,
    ranges: Ranges,
    *,
    chunk: int = CHUNK_RECORDS,
    queue_bytes: int = QUEUE_BYTES,
    idle_timeout_seconds: float = IDLE_TIMEOUT_SECONDS,
) -> Iterator[Chunk]:
    """Yield the committed records of the ranges, in offset order within each partition.

    Every range must end at or before the partition's last stable offset. Offsets without a readable record
    (transaction markers, aborted or compacted records) are skipped, so a range may yield fewer records than
    it has offsets.

    Args:
        ranges: the offset range of each partition to read.
        chunk: maximum number of records per chunk.
        queue_bytes: size of the prefetch queue, which dominates the memory that reading needs.
        idle_timeout_seconds: how long Kafka may send nothing before the read fails.

    Raises:
        MissingOffsets: Kafka deleted records of a range before they were read.
        TruncatedTopic: a partition ends before the position of the read.
        UserError: Kafka does not respond.
    """
    ends = {partition: end for partition, (start, end) in ranges.items() if start < end}
    positions = {partition: ranges[partition][0] for partition in ends}
    client_errors: list[KafkaError] = []
    consumer = _consumer(conf, queue_bytes, client_errors)
    try:
        consumer.assign(client.topic_partitions(topic, positions))
        last_message_at = time.monotonic()
        while ends:
            messages = _consume(consumer, chunk)
            if messages:
                last_message_at = time.monotonic()
            elif time.monotonic() - last_message_at > idle_timeout_seconds:
                raise client.unavailable(
                    conf,
                    client_errors[-1].str()
                    if client_errors
                    else f"no response for {idle_timeout_seconds:.0f} s",
                )
            records, notices = _group(messages)
            for partition, group in records.items():
                if partition not in ends:
                    continue
                offsets = [m.offset() for m in group]
                count = (
                    len(offsets) if offsets[-1] < ends[partition] else bisect_left(offsets, ends[partition])
                )
                if count:
                    positions[partition] = offsets[count - 1] + 1
                    yield _to_chunk(partition, offsets[:count], group[:count])
                if offsets[-1] + 1 >= ends[partition]:
                    _finish(consumer, topic, partition, ends)
            for notice in notices:
                partition = notice.partition()
                if (
                    partition in ends
                    and _is_end_of_partition(conf, topic, notice, positions)
                    and notice.offset() >= ends[partition]
                ):
                    _finish(consumer, topic, partition, ends)
    except KafkaException as error:
        raise client.to_user_error(conf, error) from error
    finally:
        consumer.close()


def _consume(consumer: Consumer, chunk: int) -> list[Message]:
    """Return up to `chunk` messages, as soon as no more of them are about to arrive; none after 0.1 s.

    The client waits out its timeout unless there are as many messages as asked for, so the end of a range
    would always cost the whole of it.
    """
    messages = consumer.consume(1, timeout=0.1)
    return [*messages, *consumer.consume(chunk - 1, timeout=0.005)] if messages else messages


def _consumer(conf: Conf, queue_bytes: int, client_errors: list[KafkaError]) -> Consumer:
    # Small queues cost more than half of the throughput. The consumer group is never joined: partitions are
    # assigned and offsets never stored.
    return client.consumer(
        conf,
        {
            "group.id": GROUP,
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
            "error_cb": client_errors.append,
        },
    )


def _group(messages: list[Message]) -> tuple[dict[int, list[Message]], list[Message]]:
    """Split messages into the records of each partition and the notices: ends of partitions and errors."""
    notices: list[Message] = []
    if any([m.error() for m in messages]):  # noqa: C419 - faster
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


def _to_chunk(partition: int, offsets: list[int], messages: list[Message]) -> Chunk:
    # One list comprehension per column: a loop that builds tuples costs three times as much.
    return Chunk(
        partition,
        offsets,
        [m.timestamp()[1] for m in messages],
        [m.key() for m in messages],
        [m.value() for m in messages],
        decode_headers(messages),
    )


def decode_headers(messages: Sequence[Message]) -> list[list[Header] | None]:
    """Return the headers of each message, `UNREADABLE_HEADERS` where a header name is not UTF-8.

    The client library fails on such a name, and returns broken objects when `headers()` is called a second
    time.
    """
    decoded: list[list[Header] | None] = []
    while len(decoded) < len(messages):
        try:
            for message in messages[len(decoded) :]:
                decoded.append(message.headers())
        except (SystemError, UnicodeDecodeError):
            decoded.append(UNREADABLE_HEADERS)
    return decoded


def _finish(consumer: Consumer, topic: str, partition: int, ends: dict[int, int]) -> None:
    """Stop fetching a partition whose range was read completely."""
    del ends[partition]
    if ends:
        consumer.incremental_unassign([TopicPartition(topic, partition)])


def _is_end_of_partition(conf: Conf, topic: str, notice: Message, positions: Mapping[int, int]) -> bool:
    """Return whether the notice is an end of partition, False for a retriable error; raise other errors."""
    error = notice.error()
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        earliest, stable = topic_state.describe(conf, [topic])[topic].partitions[notice.partition()]
        check_position(topic, notice.partition(), positions[notice.partition()], earliest, stable)
    if error.retriable() or error.code() in {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
    }:
        return False
    raise client.to_user_error(conf, error)
