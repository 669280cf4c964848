"""The newest events of the topics, read by a consumer thread while a page shows them."""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from pydantic import BaseModel

from shopnow.broker import client
from shopnow.broker.client import Conf
from shopnow.dates import from_milliseconds
from shopnow.errors import UserError
from shopnow.framing import unframe

log = logging.getLogger(__name__)

TOPICS = ("orders", "payments", "deliveries", "stock")
EVENTS_PER_TOPIC = 60
MAX_TEXT = 200
"""Characters of a text that are kept: an invalid record may have a name of a MiB."""
SKIP_RECORDS = 2_000
"""Lag of a partition, in records, beyond which the consumer seeks to the newest records."""
CONSUME_RECORDS = 500
IDLE_SECONDS = 60.0
"""Time after the last request until the consumer stops."""
TIMEOUT_SECONDS = 3.0
_POLL_SECONDS = 0.3


class Event(BaseModel):
    """An event on its topic, landed or not."""

    topic: str
    partition: int
    offset: int
    time: str
    """Kafka's timestamp of the record, UTC."""
    event_type: str | None
    """None if the record is not a JSON object with a type."""
    subject: str | None
    """Id of the order or product."""
    who: str | None
    """Name of the customer or product, or the payment method."""
    cents: int | None
    currency: str | None
    pieces: int | None
    """Change of the stock quantity."""


class _Fields(msgspec.Struct):
    event_type: str | None = None
    order_id: str | None = None
    product_id: str | None = None
    customer_name: str | None = None
    product_name: str | None = None
    method: str | None = None
    total_cents: int | None = None
    amount_cents: int | None = None
    currency: str | None = None
    quantity_change: int | None = None


_decode = msgspec.json.Decoder(_Fields).decode


class TopicTail:
    """The newest events, and the thread that reads them."""

    def __init__(self, conf: Callable[[], Conf]) -> None:
        self._conf = conf
        self._events: dict[str, deque[Event]] = {topic: deque(maxlen=EVENTS_PER_TOPIC) for topic in TOPICS}
        self._changed = threading.Condition()
        self._requested_at = 0.0
        self._thread: threading.Thread | None = None
        self._caught_up = False
        self.received = 0
        """Number of events received so far."""
        self.error: str | None = None
        """Why the topics cannot be read, in a sentence; None if they can."""
        self.as_of: datetime | None = None
        """When Kafka last answered; None before the first answer."""

    @property
    def stamp(self) -> tuple[int, str | None]:
        """Differs whenever there are other events, or another error, than before."""
        return self.received, self.error

    def wait(self, stamp: tuple[int, str | None] | None, seconds: float) -> None:
        """Wait until the stamp differs from this one."""
        with self._changed:
            self._keep_reading()
            self._changed.wait_for(lambda: self._caught_up and self.stamp != stamp, seconds)

    def newest(self, limit: int) -> list[Event]:
        """Return the newest events of all topics, newest first."""
        with self._changed:
            self._keep_reading()
            self._changed.wait_for(lambda: self._caught_up or self.error, TIMEOUT_SECONDS)
            events = [event for topic_events in self._events.values() for event in topic_events]
        # Within one second the order of TOPICS decides, so that an order comes before its payment.
        return sorted(
            events,
            key=lambda event: (event.time[:19], TOPICS.index(event.topic) * -1, event.offset),
            reverse=True,
        )[:limit]

    def _keep_reading(self) -> None:
        self._requested_at = time.monotonic()
        if self._thread is None or not self._thread.is_alive():
            self._caught_up = False
            self._thread = threading.Thread(target=self._run, name="shopnow-tab-tail", daemon=True)
            self._thread.start()

    def _is_idle(self) -> bool:
        return time.monotonic() - self._requested_at >= IDLE_SECONDS

    def _run(self) -> None:
        """Consume until no page shows the events, starting again a second after each failure."""
        while not self._is_idle():
            try:
                self._consume_until_idle()
            except (UserError, KafkaException) as error:
                self._set_error(
                    str(error if isinstance(error, UserError) else client.to_user_error(self._conf(), error))
                )
            except Exception:
                log.exception("reading the topics failed")
                self._set_error("reading the topics failed; see the API server's log for the reason")
            time.sleep(1)

    def _set_error(self, error: str) -> None:
        with self._changed:
            self.error = error
            self._changed.notify_all()

    def _consume_until_idle(self) -> None:
        settings = {
            "group.id": "shopnow-tab",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 200,
        }
        consumer = client.consumer(self._conf(), settings)
        try:
            assigned: dict[str, int] = {}
            assigned_at = 0.0
            while not self._is_idle():
                if time.monotonic() - assigned_at > TIMEOUT_SECONDS:
                    assigned = _assign(consumer, assigned)
                    assigned_at, self.as_of = time.monotonic(), datetime.now(UTC)
                self._consume(consumer)
        finally:
            consumer.close()

    def _consume(self, consumer: Consumer) -> None:
        polled = client.poll_batch(consumer, _POLL_SECONDS, CONSUME_RECORDS)
        messages = [message for message in polled if not message.error()]
        if len(messages) == CONSUME_RECORDS:
            _skip_backlog(consumer)
        with self._changed:
            for message in messages:
                self._events[message.topic()].append(_to_event(message))
            self.received += len(messages)
            self._caught_up = self._caught_up or not messages
            self.error = None
            self._changed.notify_all()


def _assign(consumer: Consumer, assigned: dict[str, int]) -> dict[str, int]:
    """Assign every partition, from shortly before its end, if the partitions changed.

    Args:
        consumer: consumer to assign the partitions to.
        assigned: number of assigned partitions by topic.

    Returns:
        Number of partitions by topic.

    Raises:
        KafkaException: Kafka does not answer.
    """
    metadata = consumer.list_topics(timeout=TIMEOUT_SECONDS).topics
    partitions = {topic: len(metadata[topic].partitions) for topic in TOPICS if topic in metadata}
    if partitions != assigned:
        consumer.assign(
            [
                _near_end(consumer, TopicPartition(topic, partition))
                for topic, count in partitions.items()
                for partition in range(count)
            ]
        )
    return partitions


def _skip_backlog(consumer: Consumer) -> None:
    """Seek shortly before the end of each partition whose lag exceeds `SKIP_RECORDS`."""
    for position in consumer.position(consumer.assignment()):
        near_end = _near_end(consumer, TopicPartition(position.topic, position.partition))
        if near_end.offset - position.offset > SKIP_RECORDS:
            consumer.seek(near_end)


def _near_end(consumer: Consumer, partition: TopicPartition) -> TopicPartition:
    first, end = consumer.get_watermark_offsets(partition, timeout=TIMEOUT_SECONDS)
    return TopicPartition(partition.topic, partition.partition, max(first, end - EVENTS_PER_TOPIC))


def _to_event(message: Message) -> Event:
    fields = _Fields()
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        fields = _decode(unframe(message.value() or b"", message.headers()))
    return Event(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        time=from_milliseconds(message.timestamp()[1]).isoformat(timespec="milliseconds"),
        event_type=_shorten(fields.event_type),
        subject=_shorten(fields.order_id or fields.product_id),
        who=_shorten(fields.customer_name or fields.product_name or fields.method),
        cents=fields.total_cents if fields.total_cents is not None else fields.amount_cents,
        currency=_shorten(fields.currency),
        pieces=fields.quantity_change,
    )


def _shorten(text: str | None) -> str | None:
    return f"{text[:MAX_TEXT]}…" if text and len(text) > MAX_TEXT else text
