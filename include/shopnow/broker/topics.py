"""Topics: configuration, creation, retention, and the offset range of each partition."""

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
from tenacity import (
    Retrying,
    retry_base,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_delay,
    wait_fixed,
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

_RETRY_SECONDS = 0.02
_NO_LEADER = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
}
"""Answers of a broker while a partition gets its leader: of a new topic, or after a restart."""
_RETENTION = "retention.ms"
_UNLIMITED_MS = 1000 * 365 * 86_400_000
"""A longer retention, such as the greatest number of the setting, is none, and has no end in the calendar."""
_COMPACTED = {"cleanup.policy": "compact", "segment.bytes": str(32 << 20), "min.cleanable.dirty.ratio": "0.1"}
"""Kafka compacts only closed segments; small ones keep the topic short, as readers read all of it."""


class _UnknownTopic(UserError):
    """The topic does not exist."""


class TopicState(NamedTuple):
    """A topic's id and, by partition, its first offset and its last stable offset."""

    topic: str
    topic_id: str
    partitions: dict[int, tuple[int, int]]
    high_watermarks: Mapping[int, int] = {}
    """By partition, the offset after its last record, decided or not."""

    @property
    def held_back(self) -> dict[int, int]:
        """By partition, the number of offsets that an open transaction holds back, where there are any."""
        return {
            partition: self.high_watermarks[partition] - stable
            for partition, stable in self.end_offsets.items()
            if self.high_watermarks.get(partition, 0) > stable
        }

    @property
    def end_offsets(self) -> dict[int, int]:
        """By partition, the last stable offset: all records before it are decided, committed or aborted."""
        return {partition: stable for partition, (_, stable) in self.partitions.items()}


def event_config(retention_days: float = RETENTION_DAYS) -> dict[str, str]:
    """Return the configuration of an event topic.

    The broker sets the timestamps, so that records of a producer with a wrong clock do not expire early.
    """
    return {
        _RETENTION: str(round(retention_days * 86_400_000)),
        "max.message.bytes": str(MAX_RECORD_BYTES),
        "message.timestamp.type": "LogAppendTime",
    }


def shop_topics(partitions: int, retention_days: float = RETENTION_DAYS) -> list[NewTopic]:
    """Return all topics of ShopNow+: the event topics and the bookkeeping topics of their producers.

    Of the latter, `ledger` keeps all records; `shop_state` and `delivery_notes` are compacted, which keeps
    the newest record of each key; records of `sent_batches` expire.
    """
    max_size = {"max.message.bytes": str(MAX_RECORD_BYTES)}
    return [
        *(NewTopic(name, partitions, config=event_config(retention_days)) for name in TOPICS),
        NewTopic(LEDGER, 1, config={_RETENTION: "-1", "retention.bytes": "-1", **max_size}),
        NewTopic(SHOP_STATE, 1, config={**_COMPACTED, **max_size}),
        NewTopic(DELIVERY_NOTES, 1, config={"cleanup.policy": "compact", **max_size}),
        NewTopic(SENT_BATCHES, 1, config={_RETENTION: str(SENT_BATCHES_DAYS * 86_400_000), **max_size}),
    ]


def read_retention(conf: Conf, names: Iterable[str]) -> dict[str, float | None]:
    """Return the retention of each topic in days; None if unlimited.

    Raises:
        UserError: a topic does not exist, or Kafka does not respond.
    """
    milliseconds = {
        name: int(configuration[_RETENTION].value)
        for name, configuration in _describe_configs(conf, names).items()
    }
    return {
        name: value / 86_400_000 if 0 <= value < _UNLIMITED_MS else None
        for name, value in milliseconds.items()
    }


def compacted(conf: Conf, names: Iterable[str]) -> frozenset[str]:
    """Return the compacted topics, where Kafka removes records that have a newer one with the same key.

    Raises:
        UserError: a topic does not exist, or Kafka does not respond.
    """
    return frozenset(
        name
        for name, configuration in _describe_configs(conf, names).items()
        if "compact" in configuration["cleanup.policy"].value
    )


def create(conf: Conf, new_topics: Iterable[NewTopic]) -> list[str]:
    """Create the missing topics and wait until they are usable; existing ones keep their configuration.

    Returns:
        The names of the created topics.

    Raises:
        UserError: Kafka does not respond, or rejects the request.
    """
    created = []
    admin = client.admin_client(conf)  # must outlive the futures
    futures = admin.create_topics(
        list(new_topics), operation_timeout=TIMEOUT_SECONDS, request_timeout=TIMEOUT_SECONDS
    )
    for name, future in futures.items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise client.to_user_error(conf, error) from error
    if created:
        _wait_until_known(conf, admin, created)
    return created


def set_retention(conf: Conf, names: Iterable[str], retention_days: float) -> list[str]:
    """Set the retention of existing topics.

    Returns:
        The names of the changed topics, sorted; those with that retention already are not altered.

    Raises:
        UserError: a topic does not exist, Kafka does not respond, or it rejects the request.
    """
    admin = client.admin_client(conf)
    milliseconds = event_config(retention_days)[_RETENTION]
    outdated = [
        name
        for name, configuration in _describe_configs(conf, names).items()
        if configuration[_RETENTION].value != milliseconds
    ]
    entry = ConfigEntry(_RETENTION, milliseconds, incremental_operation=AlterConfigOpType.SET)
    changes = [
        ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry]) for name in outdated
    ]
    futures = admin.incremental_alter_configs(changes, request_timeout=TIMEOUT_SECONDS) if changes else {}
    for resource, future in futures.items():
        _result(conf, future, resource.name)
    return sorted(outdated)


def describe(conf: Conf, names: Iterable[str]) -> dict[str, TopicState]:
    """Return the id and the offset ranges of each topic.

    Raises:
        UserError: a topic does not exist, or Kafka does not respond.
    """
    admin = client.admin_client(conf)
    described = _describe(conf, admin, names)
    partitions = {
        name: [TopicPartition(name, info.id) for info in topic.partitions]
        for name, topic in described.items()
    }
    all_partitions = [partition for group in partitions.values() for partition in group]
    # In this order, so that no record which is committed in between seems to be held back.
    latest = _list_offsets(conf, admin, all_partitions, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)
    stable = _list_offsets(conf, admin, all_partitions, OffsetSpec.latest())
    earliest = _list_offsets(conf, admin, all_partitions, OffsetSpec.earliest())
    return {
        name: TopicState(
            name,
            str(topic.topic_id),
            {p.partition: (earliest[name, p.partition], stable[name, p.partition]) for p in partitions[name]},
            {p.partition: latest[name, p.partition] for p in partitions[name]},
        )
        for name, topic in described.items()
    }


def offsets_since(conf: Conf, name: str, at: datetime) -> dict[int, tuple[int, int]]:
    """Return, by partition, the offset range of the records with a timestamp at or after a time.

    Raises:
        UserError: the topic does not exist, or Kafka does not respond.
    """
    partitions = describe(conf, [name])[name].partitions
    requested = [TopicPartition(name, partition) for partition in partitions]
    # Kafka refuses negative timestamps, and takes some of them for the first and the last offset.
    spec = OffsetSpec.for_timestamp(max(round(at.timestamp() * 1000), 0))
    first = _list_offsets(conf, client.admin_client(conf), requested, spec)
    # Kafka returns -1 for a partition without such records.
    return {
        partition: (end if first[name, partition] < 0 else first[name, partition], end)
        for partition, (_, end) in partitions.items()
    }


def topic_id(conf: Conf, name: str) -> str:
    """Return Kafka's id of a topic, which changes when the topic is recreated.

    Raises:
        UserError: the topic does not exist, or Kafka does not respond.
    """
    return str(_describe(conf, client.admin_client(conf), [name])[name].topic_id)


def _wait_until_known(conf: Conf, admin: AdminClient, names: Iterable[str]) -> None:
    """Wait until the broker describes new topics; its metadata lags a moment behind the controller."""
    _retrying(retry_if_exception_type(_UnknownTopic))(_describe, conf, admin, names)


def _describe(conf: Conf, admin: AdminClient, names: Iterable[str]) -> dict[str, Any]:
    futures = admin.describe_topics(TopicCollection(list(names)), request_timeout=TIMEOUT_SECONDS)
    return {name: _result(conf, future, name) for name, future in futures.items()}


def _describe_configs(conf: Conf, names: Iterable[str]) -> dict[str, dict[str, ConfigEntry]]:
    """Return the configuration of each topic, by option."""
    admin = client.admin_client(conf)
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    futures = admin.describe_configs(resources, request_timeout=TIMEOUT_SECONDS)
    return {resource.name: _result(conf, future, resource.name) for resource, future in futures.items()}


def _list_offsets(
    conf: Conf,
    admin: AdminClient,
    partitions: list[TopicPartition],
    spec: OffsetSpec,
    isolation_level: IsolationLevel = IsolationLevel.READ_COMMITTED,
) -> Mapping[tuple[str, int], int]:
    if not partitions:
        return {}

    def request() -> dict[tuple[str, int], int]:
        futures = admin.list_offsets(
            dict.fromkeys(partitions, spec),
            isolation_level=isolation_level,
            request_timeout=TIMEOUT_SECONDS,
        )
        return {
            (p.topic, p.partition): _result(conf, future, p.topic).offset for p, future in futures.items()
        }

    return _retrying(retry_if_exception(_has_no_leader))(request)


def _retrying(condition: retry_base) -> Retrying:
    """Retry for `TIMEOUT_SECONDS`, then raise the last error."""
    return Retrying(
        retry=condition, stop=stop_after_delay(TIMEOUT_SECONDS), wait=wait_fixed(_RETRY_SECONDS), reraise=True
    )


def _has_no_leader(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(cause, KafkaException) and cause.args[0].code() in _NO_LEADER


def _result(conf: Conf, future: "Future[Any]", name: str) -> Any:
    try:
        return future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise _UnknownTopic(
                f"Kafka at {conf.get('bootstrap.servers')} has no topic {name!r}; "
                "create it or correct the name"
            ) from None
        raise client.to_user_error(conf, error) from error
