"""A Kafka producer whose records are committed together or not at all."""

import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from shopnow.broker import client, topics
from shopnow.broker.client import Conf
from shopnow.broker.reader import Header
from shopnow.errors import UserError

TIMEOUT_SECONDS = 30.0

_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
_PURGED = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}

_SERVE_EVERY = 4_096
"""After so many records what was acknowledged meanwhile is taken in, so that it does not pile up."""


class Positions(NamedTuple):
    """Where the broker put some records: the partition and the offset of each."""

    partitions: array
    offsets: array


class TransactionalProducer:
    """There is one at a time for each transactional id: creating it ends the transactions of any earlier one for good.

    Args:
        header: carried by every record it sends, to tell its records from anyone else's.
        who: what it is called in the error that says that another one has taken over.

    Raises:
        UserError: Kafka does not answer.
    """

    def __init__(self, conf: Conf, transactional_id: str, header: Header, who: str) -> None:
        self._conf = conf
        self._headers = [header]
        self._who = who
        self._reached: dict[tuple[str, int], int] = {}
        self._delivered: list[Message] = []
        self._placed: list[tuple[Sequence[str], Positions]] = []
        self._failed: list[KafkaError] = []
        self._producer = Producer(
            {
                "linger.ms": 5,
                "compression.type": "lz4",
                "batch.size": 1_000_000,
                "message.max.bytes": topics.MAX_RECORD_BYTES,
                "queue.buffering.max.messages": 1_000_000,
                # As Java clients place keys, so that anyone's records of an order go to the same partition.
                "partitioner": "murmur2_random",
                "log_level": 2,
                **conf,
                "transactional.id": transactional_id,
                "on_delivery": self._note,
            }
        )
        try:
            self._producer.init_transactions(TIMEOUT_SECONDS)
        except KafkaException as error:
            raise client.to_user_error(conf, error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits what is sent inside, or, if anything goes wrong, aborts it.

        Raises:
            UserError: another producer with the same transactional id has taken over.
            KafkaException: the broker failed; whether the commit was made shows in what it was to write.
        """
        try:
            self._producer.begin_transaction()
            yield
            self.acknowledged()
            self._commit()
        except BaseException as error:
            met = [error.args[0]] if isinstance(error, KafkaException) else []
            if not any(each.fatal() for each in met):
                met += self._abort()
            if any(each.code() in _FENCED for each in met):
                raise UserError(
                    f"another {self._who} has taken over; when it is done, run this one again and it goes on"
                ) from error
            raise

    def send(self, topic: str, key: bytes, value: bytes | None) -> None:
        self._produce(topic, value, key, headers=self._headers)

    def send_all(self, topics: Sequence[str], keys: Sequence[bytes], values: Sequence[bytes]) -> Positions:
        """Many records, given as columns of equal length; the places are there once all are `acknowledged`."""
        places = Positions(array("i", bytes(4 * len(topics))), array("q", bytes(8 * len(topics))))
        partitions, offsets = places

        def note(index: int, error: KafkaError | None, message: Message) -> None:
            if error:
                self._failed.append(error)
            else:
                partitions[index], offsets[index] = message.partition(), message.offset()

        # Each record's report says itself where that record went: nothing is concluded from the order reports come in.
        produce, headers = self._producer.produce, self._headers
        for index, (topic, key, value) in enumerate(zip(topics, keys, values, strict=True)):
            try:
                produce(topic, value, key, on_delivery=partial(note, index), headers=headers)
            except BufferError:
                self._produce(topic, value, key, on_delivery=partial(note, index), headers=headers)
            if not index % _SERVE_EVERY:
                self._producer.poll(0)
        self._placed.append((topics, places))
        return places

    def acknowledged(self) -> list[Message]:
        """Waits for everything sent since the last call; the messages of `send`, each with the partition and offset it has.

        Raises:
            KafkaException: one was not accepted.
        """
        while len(self._producer):
            self._producer.poll(1)  # not flush, which cannot raise the fatal error it may meet
        delivered, self._delivered = self._delivered, []
        placed, self._placed = self._placed, []
        failed, self._failed = self._failed, []
        if failed:
            # One that was refused takes those with it that were still to be sent; they do not say why.
            raise KafkaException(next((error for error in failed if error.code() not in _PURGED), failed[0]))
        self._reached.update(
            {(message.topic(), message.partition()): message.offset() for message in delivered}
        )
        for topics_, places in placed:
            self._reached.update(
                zip(zip(topics_, places.partitions, strict=True), places.offsets, strict=True)
            )
        return delivered

    def wait_until_visible(self) -> None:
        """Return when whoever reads committed records sees all that were sent.

        A commit is final as soon as the broker has noted it, but the readers of each partition learn of it a little later.

        Raises:
            UserError: they still do not after half a minute.
        """
        deadline = time.monotonic() + TIMEOUT_SECONDS
        names = {topic for topic, _ in self._reached}
        while True:
            states = topics.describe(self._conf, names)
            hidden = [
                topic
                for (topic, partition), offset in self._reached.items()
                if states[topic].partitions[partition][1] <= offset
            ]
            if not hidden:
                return
            if time.monotonic() > deadline:
                raise client.unavailable(
                    self._conf, f"records committed to {hidden[0]} do not become visible"
                )
            time.sleep(0.02)

    def _produce(self, *record: Any, **options: Any) -> None:
        while True:
            try:
                return self._producer.produce(*record, **options)
            except BufferError:  # the local queue is full: let some of it go out
                self._producer.poll(1)

    def _note(self, error: KafkaError | None, message: Message) -> None:
        if error:
            self._failed.append(error)
        else:
            self._delivered.append(message)

    def _abort(self) -> list[KafkaError]:
        """What kept it from being done, if anything; the broker does it then, when the transaction's time is up or the next starts."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        try:
            while len(self._producer) and time.monotonic() < deadline:  # reports have to be served before
                self._producer.poll(1)  # not flush, as in `acknowledged`
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
