"""Protections taken out, to see that the score would tell: patches of the worker's process, never switches in the product."""

from typing import Any

from shopnow.broker import client, reader
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


MUTATIONS = {each.__name__: each for each in (no_offsets_in_commits, landed_offsets_ignored, offsets_before_rows, losses_passed_over)}
