"""Batches of checked events, each sent to Kafka exactly once.

A batch is one Kafka transaction: its events, and a record in the topic `sent_batches` that says under the batch's id where each
event went. All of it is there or nothing is. Sending a batch again, after whatever went wrong, first ends what earlier attempts
left open, then finds that record, or sends.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from confluent_kafka import KafkaException

from shopnow.broker import client, reader, topics
from shopnow.broker.client import Conf
from shopnow.broker.topics import SENT_BATCHES
from shopnow.broker.transactional_producer import TransactionalProducer
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.failpoints import failpoint
from shopnow.submission.validation import Accepted

log = logging.getLogger(__name__)

FAILPOINTS = ("send:begun", "send:acknowledged", "send:noted", "send:committed")
"""Where `shopnow.failpoints` can end the process: in the transaction, and after its commit."""

PRODUCER_HEADER = ("producer", b"send_events")

MAX_ATTEMPTS = 2
MAX_CLOCK_SKEW = timedelta(hours=1)
"""So much may the clocks of two senders differ."""


class Sent(NamedTuple):
    """An event that Kafka has, and where."""

    number: int
    event_type: str
    topic: str
    partition: int
    offset: int
    event_id: str


def send_batch(conf: Conf, batch_id: str, events: Sequence[Accepted], since: datetime) -> list[Sent]:
    """Send the events, all or none, unless a batch of that id was sent since that time; its events are what is returned then.

    Raises:
        UserError: a topic is missing, Kafka does not answer or fails, or another attempt has taken over. Calling it again with the
            same batch id never sends anything twice, within `SENT_BATCHES_DAYS`.
    """
    topics.describe(conf, [*TOPICS, SENT_BATCHES])  # says sooner than a producer what is not there
    for attempts_left in reversed(range(MAX_ATTEMPTS)):
        try:
            return _send(conf, batch_id, events, since)
        except KafkaException as error:
            if not attempts_left:
                raise UserError(
                    f"{client.to_user_error(conf, error)}; the events were all sent or not at all, which ./shopnow show tells by their time"
                ) from error
            log.warning("Kafka failed (%s), trying once more", error)
    raise AssertionError("not reached")


def _send(conf: Conf, batch_id: str, events: Sequence[Accepted], since: datetime) -> list[Sent]:
    producer = TransactionalProducer(
        conf, f"shopnow-send-{batch_id}", PRODUCER_HEADER, role="attempt to send these events"
    )
    # From here on no earlier attempt can commit anything.
    for key, value in _batches(conf, since):
        if key == batch_id.encode() and value is not None:
            return msgspec.json.decode(value, type=list[Sent])
    with producer.transaction():
        failpoint("send:begun")
        by_value = {event.value: event for event in events}
        for event in events:
            producer.send(event.topic, event.key, event.value)
        places = {by_value[message.value()].number: message for message in producer.wait_for_acks()}
        failpoint("send:acknowledged")
        sent = [
            Sent(
                event.number,
                event.event_type,
                event.topic,
                places[event.number].partition(),
                places[event.number].offset(),
                event.event_id,
            )
            for event in events
        ]
        producer.send(SENT_BATCHES, batch_id.encode(), msgspec.json.encode(sent))
        failpoint("send:noted")
    failpoint("send:committed")
    producer.wait_until_visible()
    return sent


def _batches(conf: Conf, since: datetime) -> Iterator[tuple[bytes | None, bytes | None]]:
    # Not those of all the days that are kept, which may be gigabytes.
    for chunk in reader.read(
        conf, SENT_BATCHES, topics.offsets_since(conf, SENT_BATCHES, since - MAX_CLOCK_SKEW)
    ):
        yield from zip(chunk.keys, chunk.values, strict=True)
