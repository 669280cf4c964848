"""Protections taken out, to see that the score would tell: patches of the worker's process, never switches in the product."""

from collections.abc import Callable
from typing import Any

from kafka_topics import PARTITIONS
from shopnow.broker import client, reader, topics
from shopnow.broker.topics import TopicState
from shopnow.lake import landing, losses, offsets


def no_offsets_in_commits() -> None:
    """The commit of the rows does not carry the offsets they reach to."""
    whole = landing.CommitProperties

    def properties(**options: Any) -> Any:
        return whole(**{**options, "app_transactions": None})

    landing.CommitProperties = properties
    offsets.is_known = lambda *_: True  # or else the topic would be taken for a new one


def landed_offsets_ignored() -> None:
    """A plan begins at the earliest offset Kafka has, whatever is landed."""
    offsets.position = lambda table, topic_id, partition: None


def offsets_before_rows() -> None:
    """The offsets are committed first, the rows in a commit after it."""
    commit = landing._commit

    def apart(conf: Any, table: Any, topic: Any, plan: Any, ready: list, *rest: Any) -> None:
        commit(conf, table, topic, plan, [(parts, None) for parts, _ in ready], *rest)
        table.create_write_transaction(
            [action for _, action in ready if action], mode="append", schema=landing.RAW, partition_by=list(landing.PARTITION_BY)
        )

    landing._commit = apart


def losses_passed_over() -> None:
    """What Kafka no longer has is not missed: reading goes on at what it has."""
    consumer = client.consumer
    losses.find = lambda *_: []
    reader.check_present = lambda *_: None
    client.consumer = lambda conf, settings: consumer(conf, {**settings, "auto.offset.reset": "earliest"})


def topics_known_by_name() -> None:
    """Offsets are kept by the topic's name, whatever its id."""
    offsets.app_id = lambda topic_id, partition: f"by name/{partition}"


def new_partitions_read_from_their_end() -> None:
    """Of a partition that was added only what comes from now on is landed."""
    describe = topics.describe

    def from_the_end(*given: Any) -> dict[str, TopicState]:
        [(name, state)] = describe(*given).items()
        added = {partition: (end, end) for partition, (_, end) in state.partitions.items() if partition >= PARTITIONS}
        return {name: state._replace(partitions=state.partitions | added)}

    topics.describe = from_the_end


def aborted_records_read() -> None:
    """Records of transactions that were aborted are read like any others."""
    consumer = client.consumer
    client.consumer = lambda conf, settings: consumer(conf, {**settings, "isolation.level": "read_uncommitted"})


MUTATIONS: dict[str, Callable[[], None]] = {
    mutation.__name__: mutation
    for mutation in (
        no_offsets_in_commits,
        landed_offsets_ignored,
        offsets_before_rows,
        losses_passed_over,
        topics_known_by_name,
        new_partitions_read_from_their_end,
        aborted_records_read,
    )
}
