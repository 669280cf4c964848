"""Kafka clients without stderr logging, and their errors as one-line user errors."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shopnow.errors import UserError

Conf = Mapping[str, Any]
"""A confluent_kafka configuration; needs `bootstrap.servers`."""

DEFAULTS: Conf = {
    # librdkafka logs every failed connection attempt to stderr; relevant failures are raised anyway.
    "log_level": 2,
    # A broker that has restarted is found within a second; the default waits up to ten.
    "reconnect.backoff.max.ms": 1000,
}
"""The configuration of every client, which `conf` may override."""


def admin_client(conf: Conf) -> AdminClient:
    """Create an admin client.

    Keep a reference to it until its futures are done: they are lost when it is garbage collected.

    Raises:
        UserError: the configuration is not valid.
    """
    try:
        return AdminClient({**DEFAULTS, **conf})
    except KafkaException as error:
        raise to_user_error(conf, error) from error


def consumer(conf: Conf, settings: Conf) -> Consumer:
    """Create a consumer; `settings` override `conf`.

    Raises:
        UserError: the configuration is not valid.
    """
    try:
        return Consumer({**DEFAULTS, **conf, **settings})
    except KafkaException as error:
        raise to_user_error(conf, error) from error


def poll_batch(consumer: Consumer, seconds: float, limit: int) -> list[Message]:
    """Wait for a message; return it and those that have arrived with it, errors included, `limit` at most.

    Unlike `Consumer.consume` it does not wait until there are `limit` messages.
    """
    first = consumer.poll(seconds)
    return [] if first is None else [first, *consumer.consume(limit - 1, 0)]


def topic_partitions(topic: str, offsets: Mapping[int, int]) -> list[TopicPartition]:
    """Return the partitions of a topic with the offsets to read them from, for `Consumer.assign`."""
    return [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]


def to_user_error(conf: Conf, error: KafkaException | KafkaError) -> UserError:
    """Convert an error of the client library to a user error."""
    kafka_error = error.args[0] if isinstance(error, KafkaException) else error
    return unavailable(conf, kafka_error.str())


def unavailable(conf: Conf, reason: str) -> UserError:
    """Build the error for a Kafka that does not respond as expected."""
    return UserError(
        f"Kafka at {conf.get('bootstrap.servers')} failed: {reason}; check the address and that it runs"
    )
