"""Exactly-once delivery of batches of validated events to Kafka.

A batch is one Kafka transaction: its events, and a record in the topic `sent_batches` that holds, under the
batch's id, the position of each event and a digest of all. Sending a batch again first fences earlier
attempts, then returns that record if it exists, or sends.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import xxhash
from confluent_kafka import KafkaException

from shopnow.broker import client, reader, topic_state
from shopnow.broker.client import Conf
from shopnow.broker.topics import SENT_BATCHES
from shopnow.broker.transactional_producer import TransactionalProducer
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.failpoints import failpoint
from shopnow.submission.validation import Accepted

log = logging.getLogger(__name__)

FAILPOINTS = ("send:begun", "send:acknowledged", "send:noted", "send:committed")
"""Failpoints in the transaction and after its commit."""

PRODUCER_HEADER = ("producer", b"send_events")
TRANSACTIONAL_ID_PREFIX = "shopnow-send-"

MAX_ATTEMPTS = 2
MAX_CLOCK_SKEW = timedelta(hours=1)
"""Maximum difference between the clocks of two senders."""


class Sent(NamedTuple):
    """A committed event and its position in Kafka."""

    number: int
    event_type: str
    topic: str
    partition: int
    offset: int
    event_id: str
    held_back: bool = False
    """Whether another producer's open transaction hides it from readers for now."""


class BatchConflictError(UserError):
    """Other events were sent under the batch's id."""


class _SentBatch(msgspec.Struct):
    """The record of a batch; version 0.1.0 wrote only the list."""

    sent: list[Sent]
    digest: str


def send_batch(conf: Conf, batch_id: str, events: Sequence[Accepted], since: datetime) -> list[Sent]:
    """Send the events atomically, unless the batch was sent before; idempotent within `SENT_BATCHES_DAYS`.

    Args:
        batch_id: identity of the batch, the same on every attempt.
        since: time of the batch's first attempt; earlier batches are not searched.

    Returns:
        The positions of the events, those of the earlier attempt if it was sent before.

    Raises:
        BatchConflictError: other events were sent under this id.
        UserError: a topic does not exist, Kafka fails or does not answer, or another attempt has taken over.
    """
    topic_state.describe(conf, [*TOPICS, SENT_BATCHES])  # reports a missing topic sooner than a producer does
    for attempts_left in reversed(range(MAX_ATTEMPTS)):
        try:
            return _send(conf, batch_id, events, since)
        except KafkaException as error:
            if not attempts_left:
                raise UserError(
                    f"{client.to_user_error(conf, error)}; either all of the events were sent or none: "
                    "check with ./shopnow show whether they arrived, by their time"
                ) from error
            log.warning("Kafka failed (%s); retrying", error)
    raise AssertionError("not reached")


def _send(conf: Conf, batch_id: str, events: Sequence[Accepted], since: datetime) -> list[Sent]:
    producer = TransactionalProducer(
        conf, f"{TRANSACTIONAL_ID_PREFIX}{batch_id}", PRODUCER_HEADER, role="attempt to send these events"
    )
    digest = _digest(events)
    # The producer has fenced all earlier attempts, so the record of the batch is final.
    for key, value in _read_batches(conf, since):
        if key == batch_id.encode() and value is not None:
            return _check_record(batch_id, value, digest)
    with producer.transaction():
        failpoint("send:begun")
        by_value = {event.value: event for event in events}
        for event in events:
            producer.send(event.topic, event.key, event.value)
        messages = {by_value[message.value()].number: message for message in producer.wait_for_acks()}
        failpoint("send:acknowledged")
        sent = [
            Sent(
                event.number,
                event.event_type,
                event.topic,
                messages[event.number].partition(),
                messages[event.number].offset(),
                event.event_id,
            )
            for event in events
        ]
        producer.send(SENT_BATCHES, batch_id.encode(), msgspec.json.encode(_SentBatch(sent, digest)))
        failpoint("send:noted")
    failpoint("send:committed")
    hidden = producer.wait_until_visible()
    return [event._replace(held_back=event.topic in hidden) for event in sent]


def _digest(events: Sequence[Accepted]) -> str:
    return xxhash.xxh3_128_hexdigest(msgspec.json.encode([(event.number, event.value) for event in events]))


def _check_record(batch_id: str, record: bytes, digest: str) -> list[Sent]:
    batch = msgspec.json.decode(record, type=list[Sent] | _SentBatch)
    if isinstance(batch, list):
        return batch
    if batch.digest != digest:
        raise BatchConflictError(f"other events were sent as batch {batch_id!r}; send these as another batch")
    return batch.sent


def _read_batches(conf: Conf, since: datetime) -> Iterator[tuple[bytes | None, bytes | None]]:
    # The topic may hold gigabytes of older batches.
    for chunk in reader.read(
        conf, SENT_BATCHES, topic_state.offsets_since(conf, SENT_BATCHES, since - MAX_CLOCK_SKEW)
    ):
        yield from zip(chunk.keys, chunk.values, strict=True)
