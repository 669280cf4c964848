"""The broker: what is produced, visible and read."""

from typing import Any


def non_transactional_producer() -> None:
    """The generator's events are visible once acknowledged, even without the ledger and the shop's state."""
    from confluent_kafka import Producer

    from shopnow.broker import transactional_producer

    class NonTransactionalProducer(Producer):
        def __init__(self, conf: dict[str, Any]) -> None:
            super().__init__(
                {name: value for name, value in conf.items() if name != "transactional.id"}
                | {"enable.idempotence": True}
            )

        def _no_op(self, *_: Any) -> None:
            pass

        init_transactions = begin_transaction = commit_transaction = abort_transaction = _no_op

    transactional_producer.Producer = NonTransactionalProducer


def new_partitions_read_from_high_watermark() -> None:
    """An added partition is landed from its high watermark, not from its first offset."""
    from shopnow.broker import topic_state
    from shopnow.broker.topic_state import TopicState
    from support.kafka_topics import PARTITIONS

    describe = topic_state.describe

    def from_high_watermark(*args: Any) -> dict[str, TopicState]:
        states = describe(*args)
        for name, state in states.items():
            added = {
                partition: (end, end)
                for partition, (_, end) in state.partitions.items()
                if partition >= PARTITIONS
            }
            states[name] = state._replace(partitions=state.partitions | added)
        return states

    topic_state.describe = from_high_watermark


def aborted_records_read() -> None:
    """Records of aborted transactions are read like committed ones."""
    from shopnow.broker import client

    consumer = client.consumer
    client.consumer = lambda conf, settings: consumer(
        conf, {**settings, "isolation.level": "read_uncommitted"}
    )


def gaps_of_compacted_topics_are_markers() -> None:
    """Offsets that compaction emptied before they landed count as transaction markers."""
    from shopnow.broker import topics

    topics.compacted = lambda conf, names: frozenset()


def held_back_records_ignored() -> None:
    """Records behind an open transaction are neither counted nor named."""
    from shopnow.broker.topic_state import TopicState

    TopicState.held_back = property(lambda state: {})  # type: ignore[assignment, misc]


def held_back_events_fail() -> None:
    """Sending fails if the events, although committed, do not become visible."""
    from shopnow.broker.transactional_producer import TransactionalProducer
    from shopnow.errors import UserError

    wait = TransactionalProducer.wait_until_visible

    def wait_or_fail(self: TransactionalProducer) -> list[str]:
        if hidden := wait(self):
            raise UserError(f"records committed to {hidden[0]} do not become visible")
        return []

    TransactionalProducer.wait_until_visible = wait_or_fail  # type: ignore[method-assign]


def negative_timestamps_requested() -> None:
    """Kafka is asked for offsets of times before 1970, for which it has an error or another meaning."""
    from shopnow.broker import client, topic_state

    def offsets_since(conf: Any, name: str, at: Any) -> dict[int, tuple[int, int]]:
        partitions = topic_state.describe(conf, [name])[name].partitions
        requested = [topic_state.TopicPartition(name, partition) for partition in partitions]
        spec = topic_state.OffsetSpec.for_timestamp(round(at.timestamp() * 1000))
        first = topic_state._list_offsets(conf, client.admin_client(conf), requested, spec)
        return {
            partition: (end if first[name, partition] < 0 else first[name, partition], end)
            for partition, (_, end) in partitions.items()
        }

    topic_state.offsets_since = offsets_since
