"""Topics of a test's own, and records in them."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

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


NEW_YEAR = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def payment(number: int, at: datetime = NEW_YEAR, version: int = 1) -> bytes:
    """A valid record for the payments topic, the same for the same number."""
    return events.encode(
        events.PaymentSucceeded(
            event_id=str(uuid.UUID(int=number)),
            event_time=at,
            schema_version=version,
            payment_id=f"payment-{number}",
            order_id=f"order-{number}",
            method="card",
            amount_cents=number,
            currency="EUR",
            attempt=1,
        )
    )


def send(
    conf: dict[str, str], name: str, values: Sequence[bytes | None], partition: int = -1, **options: Any
) -> None:
    producer = Producer({**conf, "enable.idempotence": True, "message.max.bytes": topics.MAX_RECORD_BYTES})
    for number, value in enumerate(values):
        producer.produce(name, value, b"key-%d" % number, partition, **options)
    assert producer.flush(30) == 0
