"""Answers of Kafka's admin API, with errors as one-line user errors."""

from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from tenacity import Retrying, retry_base, stop_after_delay, wait_fixed

from shopnow.broker import client
from shopnow.broker.client import Conf
from shopnow.errors import UserError

TIMEOUT_SECONDS = 10.0

_RETRY_SECONDS = 0.02


class UnknownTopic(UserError):
    """The topic does not exist."""


def result(conf: Conf, future: "Future[Any]", name: str) -> Any:
    """Wait for the answer about a topic.

    Raises:
        UnknownTopic: the topic does not exist.
        UserError: Kafka does not respond, or rejects the request.
    """
    try:
        return future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise UnknownTopic(
                f"Kafka at {conf.get('bootstrap.servers')} has no topic {name!r}; "
                "create it or correct the name"
            ) from None
        raise client.to_user_error(conf, error) from error


def retrying(condition: retry_base) -> Retrying:
    """Retry for `TIMEOUT_SECONDS`, then raise the last error."""
    return Retrying(
        retry=condition, stop=stop_after_delay(TIMEOUT_SECONDS), wait=wait_fixed(_RETRY_SECONDS), reraise=True
    )
