"""Topics of a test's own, and records in them."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from msgspec import convert

from shopnow import events
from shopnow.broker import topics

PARTITIONS = 3


@contextmanager
def topic(conf: dict[str, str]) -> Iterator[str]:
    """A topic that is gone afterwards."""
    name = f"test-{uuid.uuid4()}"
    create(conf, name)
    yield name
    delete(conf, name)


def create(conf: dict[str, str], name: str) -> None:
    assert topics.create(conf, [NewTopic(name, PARTITIONS, config=topics.event_config())]) == [name]


def delete(conf: dict[str, str], name: str) -> None:
    admin = AdminClient(conf)
    admin.delete_topics([name])[name].result()


def payment(number: int) -> bytes:
    """A valid record for the payments topic, the same for the same number."""
    return events.encode(
        events.PaymentSucceeded(
            event_id=str(uuid.UUID(int=number)),
            event_time=convert("2026-01-02T03:04:05Z", events.Time),
            schema_version=1,
            payment_id=f"payment-{number}",
            order_id=f"order-{number}",
            method="card",
            amount_cents=number,
            currency="EUR",
            attempt=1,
        )
    )


def send(conf: dict[str, str], name: str, values: Sequence[bytes | None], partition: int = -1, **options: Any) -> None:
    producer = Producer({**conf, "enable.idempotence": True, "message.max.bytes": topics.MAX_RECORD_BYTES})
    for number, value in enumerate(values):
        producer.produce(name, value, b"key-%d" % number, partition, **options)
    assert producer.flush(30) == 0
