"""The newest events of the topics, read as they come, for as long as somebody looks."""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition
from pydantic import BaseModel

from shopnow.broker import client
from shopnow.broker.client import Conf
from shopnow.errors import UserError

log = logging.getLogger(__name__)

TOPICS = ("orders", "payments", "deliveries", "stock")
KEPT = 60
"""So many events are kept of each topic."""
FLOOD = 2_000
"""With so many unread events of a topic's partition only the newest `KEPT` are read: nobody could follow the others."""
WATCHED_SECONDS = 60.0
ANSWERS_SECONDS = 3.0


class Event(BaseModel):
    """An event as it is on its topic now, landed or not."""

    topic: str
    partition: int
    offset: int
    time: str
    """When Kafka took it, UTC."""
    event_type: str | None
    """None if the record is no JSON object with a type."""
    subject: str | None
    """The order, or product, it is about."""
    who: str | None
    """The customer's, or product's, name, or the method of payment."""
    cents: int | None
    currency: str | None
    pieces: int | None
    """By how many the stock changed."""


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


class Tail:
    """The newest events, and the thread that reads them."""

    def __init__(self, conf: Callable[[], Conf]) -> None:
        self._conf = conf
        self._events: dict[str, deque[Event]] = {topic: deque(maxlen=KEPT) for topic in TOPICS}
        self._changed = threading.Condition()
        self._asked = 0.0
        self._thread: threading.Thread | None = None
        self._ready = False
        self.changes = 0
        """How many events came so far."""
        self.trouble: str | None = None
        """Why the topics could not be read just now, in a sentence."""
        self.as_of: datetime | None = None
        """When Kafka last answered; None if never."""

    def newest(self, limit: int) -> list[Event]:
        """The newest events of all topics, newest first."""
        with self._changed:
            self._asked = time.monotonic()
            if self._thread is None or not self._thread.is_alive():
                self._ready = False
                self._thread = threading.Thread(target=self._keep, name="shopnow-tab-tail", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self._ready or self.trouble, ANSWERS_SECONDS)
            found = [event for events in self._events.values() for event in events]
        # By the second: of what came together, an order is told before its payment.
        return sorted(
            found,
            key=lambda event: (event.time[:19], TOPICS.index(event.topic) * -1, event.offset),
            reverse=True,
        )[:limit]

    def _keep(self) -> None:
        while time.monotonic() - self._asked < WATCHED_SECONDS:
            try:
                self._read()
            except (UserError, KafkaException) as error:
                self._fail(
                    str(error if isinstance(error, UserError) else client.to_user_error(self._conf(), error))
                )
            except Exception:
                log.exception("the topics could not be read")
                self._fail("the topics could not be read; the API server's log says why")
            time.sleep(1)

    def _fail(self, trouble: str) -> None:
        with self._changed:
            self.trouble = trouble
            self._changed.notify_all()

    def _read(self) -> None:
        """Read until nobody looks any more."""
        settings = {
            "group.id": "shopnow-tab",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 200,
        }
        consumer = client.consumer(self._conf(), settings)
        try:
            assigned: dict[str, int] = {}
            looked = 0.0
            while time.monotonic() - self._asked < WATCHED_SECONDS:
                if time.monotonic() - looked > ANSWERS_SECONDS:
                    assigned = _assign(consumer, assigned)
                    looked, self.as_of = time.monotonic(), datetime.now(UTC)
                self._take(consumer)
        finally:
            consumer.close()

    def _take(self, consumer: Consumer) -> None:
        found = [message for message in consumer.consume(500, timeout=0.3) if not message.error()]
        if len(found) == 500:
            _skip(consumer)
        with self._changed:
            for message in found:
                self._events[message.topic()].append(_event(message))
            self.changes += len(found)
            self._ready = self._ready or not found
            self.trouble = None
            self._changed.notify_all()


def _assign(consumer: Consumer, assigned: dict[str, int]) -> dict[str, int]:
    """Read every partition from shortly before its end, if there are others than those assigned.

    Raises:
        KafkaException: Kafka does not answer.
    """
    known = consumer.list_topics(timeout=ANSWERS_SECONDS).topics
    partitions = {name: len(known[name].partitions) for name in TOPICS if name in known}
    if partitions != assigned:
        consumer.assign(
            [
                _near_end(consumer, TopicPartition(name, each))
                for name, count in partitions.items()
                for each in range(count)
            ]
        )
    return partitions


def _skip(consumer: Consumer) -> None:
    for place in consumer.position(consumer.assignment()):
        near = _near_end(consumer, TopicPartition(place.topic, place.partition))
        if near.offset - place.offset > FLOOD:
            consumer.seek(near)


def _near_end(consumer: Consumer, place: TopicPartition) -> TopicPartition:
    first, end = consumer.get_watermark_offsets(place, timeout=ANSWERS_SECONDS)
    return TopicPartition(place.topic, place.partition, max(first, end - KEPT))


def _event(message) -> Event:
    fields = _Fields()
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        fields = _decode(message.value() or b"")
    return Event(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        time=datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC).isoformat(timespec="milliseconds"),
        event_type=fields.event_type,
        subject=fields.order_id or fields.product_id,
        who=fields.customer_name or fields.product_name or fields.method,
        cents=fields.total_cents if fields.total_cents is not None else fields.amount_cents,
        currency=fields.currency,
        pieces=fields.quantity_change,
    )
