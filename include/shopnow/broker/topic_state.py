"""State of topics: their ids and the offset range of each partition."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from tenacity import retry_if_exception, retry_if_exception_type

from shopnow.broker import admin_api, client
from shopnow.broker.client import Conf

_NO_LEADER = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    # The client's or the broker's knowledge of the leader is a moment old.
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
}
"""Answers of a broker while a partition gets its leader: of a new topic, or after a restart."""


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


class EndOffsets:
    """Reader of the last stable offsets of topics, cheap enough to ask every second.

    It does not see partitions that are added later.

    Raises:
        UserError: a topic does not exist, or Kafka does not respond.
    """

    def __init__(self, conf: Conf, names: Iterable[str]) -> None:
        self._conf, self._admin = conf, client.admin_client(conf)
        self._partitions = [
            TopicPartition(name, info.id)
            for name, topic in _describe(conf, self._admin, names).items()
            for info in topic.partitions
        ]

    def read(self) -> dict[str, dict[int, int]]:
        """Return the last stable offset of each partition, by topic.

        Raises:
            UserError: a topic was deleted, or Kafka does not respond.
        """
        ends: dict[str, dict[int, int]] = {}
        offsets = _list_offsets(self._conf, self._admin, self._partitions, OffsetSpec.latest())
        for (name, partition), offset in offsets.items():
            ends.setdefault(name, {})[partition] = offset
        return ends


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


def await_topics(conf: Conf, names: Iterable[str]) -> None:
    """Wait until the broker describes new topics; its metadata lags a moment behind the controller."""
    admin_api.retrying(retry_if_exception_type(admin_api.UnknownTopic))(
        _describe, conf, client.admin_client(conf), names
    )


def _describe(conf: Conf, admin: AdminClient, names: Iterable[str]) -> dict[str, Any]:
    futures = admin.describe_topics(TopicCollection(list(names)), request_timeout=admin_api.TIMEOUT_SECONDS)
    return {name: admin_api.result(conf, future, name) for name, future in futures.items()}


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
            request_timeout=admin_api.TIMEOUT_SECONDS,
        )
        return {
            (p.topic, p.partition): admin_api.result(conf, future, p.topic).offset
            for p, future in futures.items()
        }

    return admin_api.retrying(retry_if_exception(_has_no_leader))(request)


def _has_no_leader(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(cause, KafkaException) and cause.args[0].code() in _NO_LEADER
