"""Kafka clients that keep quiet on stderr, and their errors as one line a person can act on."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from shopnow.errors import UserError

Conf = Mapping[str, Any]
"""A confluent_kafka configuration; needs `bootstrap.servers`."""

# librdkafka writes every failed connection attempt to stderr; what matters reaches us as an error anyway.
_QUIET = {"log_level": 2}


def admin_client(conf: Conf) -> AdminClient:
    """A client to create and describe topics with. Keep it until its answers are in: they are lost when it is collected.

    Raises:
        UserError: the configuration is not valid.
    """
    try:
        return AdminClient({**_QUIET, **conf})
    except KafkaException as error:
        raise to_user_error(conf, error) from error


def consumer(conf: Conf, settings: Conf) -> Consumer:
    """A consumer; `settings` win over `conf`.

    Raises:
        UserError: the configuration is not valid.
    """
    try:
        return Consumer({**_QUIET, **conf, **settings})
    except KafkaException as error:
        raise to_user_error(conf, error) from error


def to_user_error(conf: Conf, error: KafkaException | KafkaError) -> UserError:
    """What to tell the user about an error of the client library."""
    kafka_error = error.args[0] if isinstance(error, KafkaException) else error
    return unavailable(conf, kafka_error.str())


def unavailable(conf: Conf, reason: str) -> UserError:
    return UserError(
        f"Kafka at {conf.get('bootstrap.servers')} failed: {reason}; check the address and that it runs"
    )
