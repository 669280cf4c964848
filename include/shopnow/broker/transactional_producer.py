"""A transactional Kafka producer: the records of a transaction are committed together or not at all."""

import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from shopnow.broker import client, topic_state, topics
from shopnow.broker.client import Conf
from shopnow.broker.reader import Header
from shopnow.errors import UserError

TIMEOUT_SECONDS = 30.0

_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
_PURGED = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}

_POLL_EVERY = 4_096
"""Delivery reports are served after this number of records, so that they do not accumulate."""


class Positions(NamedTuple):
    """Partition and offset that the broker assigned to each of some records."""

    partitions: array
    offsets: array


class TransactionalProducer:
    """The producer of a transactional id; creating it fences any earlier producer with the same id.

    Args:
        transactional_id: identifies the producer across restarts.
        header: added to every record, to distinguish its records from those of other producers.
        role: name of this producer in the error that it was fenced by another one.

    Raises:
        UserError: Kafka does not respond.
    """

    def __init__(self, conf: Conf, transactional_id: str, header: Header, role: str) -> None:
        self._conf = conf
        self._headers = [header]
        self._role = role
        self._last_offsets: dict[tuple[str, int], int] = {}
        self._delivered: list[Message] = []
        self._pending: list[tuple[Sequence[str], Positions]] = []
        self._failed: list[KafkaError] = []
        self._producer = Producer(
            {
                **client.DEFAULTS,
                "linger.ms": 5,
                "compression.type": "lz4",
                "batch.size": 1_000_000,
                "message.max.bytes": topics.MAX_RECORD_BYTES,
                "queue.buffering.max.messages": 1_000_000,
                # The partitioner of Java clients, so that every producer sends a key to the same partition.
                "partitioner": "murmur2_random",
                **conf,
                "transactional.id": transactional_id,
                "on_delivery": self._on_delivery,
            }
        )
        try:
            self._producer.init_transactions(TIMEOUT_SECONDS)
        except KafkaException as error:
            raise client.to_user_error(conf, error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the records sent inside the block, or abort the transaction on any error.

        Raises:
            UserError: another producer with the same transactional id has fenced this one.
            KafkaException: the broker failed. Whether the commit succeeded can be read from the records.
        """
        try:
            self._producer.begin_transaction()
            yield
            self.wait_for_acks()
            self._commit()
        except BaseException as error:
            kafka_errors = [error.args[0]] if isinstance(error, KafkaException) else []
            if not any(kafka_error.fatal() for kafka_error in kafka_errors):
                kafka_errors += self._abort()
            if any(kafka_error.code() in _FENCED for kafka_error in kafka_errors):
                raise UserError(
                    f"another {self._role} has taken over; run this one again when the other is done, "
                    "and it continues"
                ) from error
            raise

    def send(self, topic: str, key: bytes, value: bytes | None) -> None:
        """Queue one record; `wait_for_acks` returns its message."""
        self._produce(topic, value, key, headers=self._headers)

    def send_all(self, topics: Sequence[str], keys: Sequence[bytes], values: Sequence[bytes]) -> Positions:
        """Queue records, given as columns of equal length.

        Returns:
            The positions of the records, which are filled in by `wait_for_acks`.
        """
        positions = Positions(array("i", bytes(4 * len(topics))), array("q", bytes(8 * len(topics))))
        partitions, offsets = positions

        def on_delivery(index: int, error: KafkaError | None, message: Message) -> None:
            if error:
                self._failed.append(error)
            else:
                partitions[index], offsets[index] = message.partition(), message.offset()

        # Each record has its own callback, so positions do not depend on the order of the delivery reports.
        produce, headers = self._producer.produce, self._headers
        for index, (topic, key, value) in enumerate(zip(topics, keys, values, strict=True)):
            try:
                produce(topic, value, key, on_delivery=partial(on_delivery, index), headers=headers)
            except BufferError:
                self._produce(topic, value, key, on_delivery=partial(on_delivery, index), headers=headers)
            if not index % _POLL_EVERY:
                self._producer.poll(0)
        self._pending.append((topics, positions))
        return positions

    def wait_for_acks(self) -> list[Message]:
        """Wait until the broker has acknowledged all records sent since the last call.

        Returns:
            The messages queued by `send`, with their partitions and offsets.

        Raises:
            KafkaException: the broker rejected a record.
        """
        while len(self._producer):
            self._producer.poll(1)  # flush() would swallow a fatal error
        delivered, self._delivered = self._delivered, []
        pending, self._pending = self._pending, []
        failed, self._failed = self._failed, []
        if failed:
            # A rejected record purges the queued ones, whose errors do not tell the cause.
            raise KafkaException(next((error for error in failed if error.code() not in _PURGED), failed[0]))
        self._last_offsets.update(
            {(message.topic(), message.partition()): message.offset() for message in delivered}
        )
        for topics_, positions in pending:
            self._last_offsets.update(
                zip(zip(topics_, positions.partitions, strict=True), positions.offsets, strict=True)
            )
        return delivered

    def wait_until_visible(self) -> list[str]:
        """Wait until read-committed consumers see all committed records.

        A commit is final once the transaction coordinator has logged it, but the last stable offset of each
        partition advances a little later, or not before an open transaction of another producer has ended.

        Returns:
            The topics whose records, although committed, are still not visible after TIMEOUT_SECONDS.

        Raises:
            UserError: Kafka does not respond.
        """
        deadline = time.monotonic() + TIMEOUT_SECONDS
        names = {topic for topic, _ in self._last_offsets}
        while True:
            states = topic_state.describe(self._conf, names)
            hidden = {
                topic
                for (topic, partition), offset in self._last_offsets.items()
                if states[topic].partitions[partition][1] <= offset
            }
            if not hidden or time.monotonic() > deadline:
                return sorted(hidden)
            time.sleep(0.02)

    def _produce(self, *record: Any, **options: Any) -> None:
        while True:
            try:
                return self._producer.produce(*record, **options)
            except BufferError:  # the local queue is full
                self._producer.poll(1)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error:
            self._failed.append(error)
        else:
            self._delivered.append(message)

    def _abort(self) -> list[KafkaError]:
        """Abort the transaction and return the error, if any.

        If aborting fails, the broker aborts it at the transaction timeout or when the next producer starts.
        """
        deadline = time.monotonic() + TIMEOUT_SECONDS
        try:
            while (
                len(self._producer) and time.monotonic() < deadline
            ):  # delivery reports must be served first
                self._producer.poll(1)  # not flush(), as in `wait_for_acks`
            self._producer.abort_transaction(TIMEOUT_SECONDS)
        except KafkaException as error:
            return [error.args[0]]
        return []

    def _commit(self) -> None:
        for attempts_left in (2, 1, 0):
            try:
                return self._producer.commit_transaction(TIMEOUT_SECONDS)
            except KafkaException as error:
                if not (error.args[0].retriable() and attempts_left):
                    raise
