"""Kafka topics that a test creates for itself, and records in them."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from shopnow.broker import topics

PARTITIONS = 3


@contextmanager
def topic(conf: dict[str, str], partitions: int = PARTITIONS) -> Iterator[str]:
    """Create a topic, yield its name, and delete it afterwards."""
    name = f"test-{uuid.uuid4()}"
    create(conf, name, partitions)
    yield name
    delete(conf, name)


def create(conf: dict[str, str], name: str, partitions: int = PARTITIONS) -> None:
    """Create a topic with the settings of the event topics."""
    assert topics.create(conf, [NewTopic(name, partitions, config=topics.event_config())]) == [name]


def delete(conf: dict[str, str], name: str) -> None:
    admin = AdminClient(conf)
    admin.delete_topics([name])[name].result()


def add_partitions(conf: dict[str, str], name: str, total: int) -> None:
    """Extend a topic to this number of partitions."""
    admin = AdminClient(conf)  # must outlive the future
    admin.create_partitions([NewPartitions(name, total)])[name].result()


def send(
    conf: dict[str, str], name: str, values: Sequence[bytes | None], partition: int = -1, **options: Any
) -> None:
    """Send the values with the keys `key-0`, `key-1`, … and wait until all are acknowledged."""
    producer = Producer({**conf, "enable.idempotence": True, "message.max.bytes": topics.MAX_RECORD_BYTES})
    for number, value in enumerate(values):
        producer.produce(name, value, b"key-%d" % number, partition, **options)
    assert producer.flush(30) == 0
