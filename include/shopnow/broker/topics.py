"""The topics: their settings, creating them, and how far each one reaches."""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from datetime import datetime
from typing import Any, NamedTuple

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
)

from shopnow.broker import client
from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.events import TOPICS

LEDGER = "ledger"
SHOP_STATE = "shop_state"
SENT_BATCHES = "sent_batches"
DELIVERY_NOTES = "delivery_notes"

RETENTION_DAYS = 7
SENT_BATCHES_DAYS = 30
MAX_RECORD_BYTES = 8 << 20
TIMEOUT_SECONDS = 10.0

_RETENTION = "retention.ms"
_COMPACTED = {"cleanup.policy": "compact", "segment.bytes": str(32 << 20), "min.cleanable.dirty.ratio": "0.1"}
"""Only closed segments are compacted, so they are small: whoever reads the topic reads all of it."""


class _UnknownTopic(UserError):
    """Kafka has no topic of that name."""


class TopicState(NamedTuple):
    """Where a topic stands: per partition the first offset still there and the one after the last committed record."""

    topic: str
    topic_id: str
    partitions: dict[int, tuple[int, int]]


def event_config(retention_days: float = RETENTION_DAYS) -> dict[str, str]:
    """Settings of an event topic. Stamped by the broker, so that a producer's wrong clock cannot make records expire early."""
    return {
        _RETENTION: str(round(retention_days * 86_400_000)),
        "max.message.bytes": str(MAX_RECORD_BYTES),
        "message.timestamp.type": "LogAppendTime",
    }


def shop_topics(partitions: int, retention_days: float = RETENTION_DAYS) -> list[NewTopic]:
    """All topics of ShopNow+: those of events, and what their senders note beside: the `ledger` and `delivery_notes`, which are kept for
    ever, the compacted `shop_state`, and `sent_batches`.
    """
    large = {"max.message.bytes": str(MAX_RECORD_BYTES)}
    return [
        *(NewTopic(name, partitions, config=event_config(retention_days)) for name in TOPICS),
        NewTopic(LEDGER, 1, config={_RETENTION: "-1", "retention.bytes": "-1", **large}),
        NewTopic(SHOP_STATE, 1, config={**_COMPACTED, **large}),
        NewTopic(DELIVERY_NOTES, 1, config={"cleanup.policy": "compact", **large}),
        NewTopic(SENT_BATCHES, 1, config={_RETENTION: str(SENT_BATCHES_DAYS * 86_400_000), **large}),
    ]


def read_retention(conf: Conf, names: Iterable[str]) -> dict[str, float | None]:
    """How many days each topic keeps its records; None for ever.

    Raises:
        UserError: a topic is missing, or Kafka does not answer.
    """
    admin = client.admin_client(conf)
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    futures = admin.describe_configs(resources, request_timeout=TIMEOUT_SECONDS)
    found = {
        each.name: int(_result(conf, future, each.name)["retention.ms"].value)
        for each, future in futures.items()
    }
    return {
        name: None if milliseconds < 0 else milliseconds / 86_400_000 for name, milliseconds in found.items()
    }


def create(conf: Conf, wanted: Iterable[NewTopic]) -> list[str]:
    """Create the topics that are not there, and wait until they can be used; those that are keep their settings and partitions.

    Returns:
        The names of those it created.

    Raises:
        UserError: Kafka does not answer, or refuses.
    """
    created = []
    admin = client.admin_client(conf)  # kept until the futures are done: they die with it
    futures = admin.create_topics(
        list(wanted), operation_timeout=TIMEOUT_SECONDS, request_timeout=TIMEOUT_SECONDS
    )
    for name, future in futures.items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise client.to_user_error(conf, error) from error
    if created:
        _await(conf, admin, created)
    return created


def set_retention(conf: Conf, names: Iterable[str], retention_days: float) -> list[str]:
    """Have topics that are there keep their records that long.

    Returns:
        The names of those that had another retention.

    Raises:
        UserError: there is no such topic, or Kafka does not answer, or refuses.
    """
    admin = client.admin_client(conf)
    wanted = event_config(retention_days)[_RETENTION]
    described = admin.describe_configs(
        [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names], request_timeout=TIMEOUT_SECONDS
    )
    other = [
        each.name
        for each, future in described.items()
        if _result(conf, future, each.name)[_RETENTION].value != wanted
    ]
    entry = ConfigEntry(_RETENTION, wanted, incremental_operation=AlterConfigOpType.SET)
    changes = [ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry]) for name in other]
    futures = admin.incremental_alter_configs(changes, request_timeout=TIMEOUT_SECONDS) if changes else {}
    for each, future in futures.items():
        _result(conf, future, each.name)
    return sorted(other)


def describe(conf: Conf, names: Iterable[str]) -> dict[str, TopicState]:
    """How far each of the topics reaches.

    Raises:
        UserError: there is no such topic, or Kafka does not answer.
    """
    admin = client.admin_client(conf)
    described = _described(conf, admin, names)
    partitions = {
        name: [TopicPartition(name, info.id) for info in topic.partitions]
        for name, topic in described.items()
    }
    everything = [partition for each in partitions.values() for partition in each]
    earliest = _offsets(conf, admin, everything, OffsetSpec.earliest())
    stable = _offsets(conf, admin, everything, OffsetSpec.latest())
    return {
        name: TopicState(
            name,
            str(topic.topic_id),
            {p.partition: (earliest[name, p.partition], stable[name, p.partition]) for p in partitions[name]},
        )
        for name, topic in described.items()
    }


def offsets_since(conf: Conf, name: str, at: datetime) -> dict[int, tuple[int, int]]:
    """By partition of a topic, the offsets of what its producers wrote from a time on, by their clocks: the first, and after the last.

    Raises:
        UserError: there is no such topic, or Kafka does not answer.
    """
    partitions = describe(conf, [name])[name].partitions
    wanted = [TopicPartition(name, partition) for partition in partitions]
    first = _offsets(
        conf, client.admin_client(conf), wanted, OffsetSpec.for_timestamp(round(at.timestamp() * 1000))
    )
    # Kafka says -1 if there is nothing as new.
    return {
        each: (end if first[name, each] < 0 else first[name, each], end)
        for each, (_, end) in partitions.items()
    }


def topic_id(conf: Conf, name: str) -> str:
    """The id Kafka gave the topic of that name, another one when the topic is created anew.

    Raises:
        UserError: there is no such topic, or Kafka does not answer.
    """
    return str(_described(conf, client.admin_client(conf), [name])[name].topic_id)


def _await(conf: Conf, admin: AdminClient, names: Iterable[str]) -> None:
    """Until the broker tells of new topics, which it does a moment after the controller has made them."""
    limit = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            _described(conf, admin, names)
            return
        except _UnknownTopic:
            if time.monotonic() > limit:
                raise
            time.sleep(0.02)


def _described(conf: Conf, admin: AdminClient, names: Iterable[str]) -> dict[str, Any]:
    futures = admin.describe_topics(TopicCollection(list(names)), request_timeout=TIMEOUT_SECONDS)
    return {name: _result(conf, future, name) for name, future in futures.items()}


def _offsets(
    conf: Conf, admin: AdminClient, partitions: list[TopicPartition], spec: OffsetSpec
) -> Mapping[tuple[str, int], int]:
    if not partitions:
        return {}
    futures = admin.list_offsets(
        dict.fromkeys(partitions, spec),
        isolation_level=IsolationLevel.READ_COMMITTED,
        request_timeout=TIMEOUT_SECONDS,
    )
    return {(p.topic, p.partition): _result(conf, future, p.topic).offset for p, future in futures.items()}


def _result(conf: Conf, future: "Future[Any]", name: str) -> Any:
    try:
        return future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise _UnknownTopic(
                f"Kafka at {conf.get('bootstrap.servers')} has no topic {name!r}; create it or correct the name"
            ) from None
        raise client.to_user_error(conf, error) from error
