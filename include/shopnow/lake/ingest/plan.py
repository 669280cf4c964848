"""Plan of a landing: the offset ranges that are committed to Kafka and not in the raw table."""

from dataclasses import dataclass
from typing import NamedTuple

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from shopnow.broker import topic_state, topics
from shopnow.broker.client import Conf
from shopnow.broker.reader import Ranges
from shopnow.broker.topic_state import TopicState
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import data_loss, offsets
from shopnow.lake.ingest.data_loss import Acknowledgement, UnacknowledgedLoss


class PartitionShard(NamedTuple):
    """A share of a topic's partitions, for runs that land the topic concurrently."""

    number: int
    """From 0."""
    shards: int
    """Number of shards."""

    def contains(self, partition: int) -> bool:
        return partition % self.shards == self.number


ALL_PARTITIONS = PartitionShard(0, 1)


@dataclass(frozen=True)
class Plan:
    """Offset ranges to read, by partition, from a Kafka topic; `topic_id` is the lake's id of it."""

    kafka_topic: str
    topic_id: str
    ranges: Ranges
    is_compacted: bool
    """Whether offsets without a record may have held one that compaction removed."""


def plan_landing(
    conf: Conf,
    raw: Table,
    snapshot: DeltaTable,
    kafka_topic: str,
    acknowledgement: Acknowledgement | None = None,
    shard: PartitionShard = ALL_PARTITIONS,
) -> Plan:
    """Plan one shard: the records committed to Kafka that the raw table's snapshot does not have.

    Acknowledged losses, of all partitions, are recorded first; the snapshot is then updated.

    Raises:
        UnacknowledgedLoss: Kafka has lost records before they were landed.
        UserError: the topic does not exist, or Kafka does not respond.
    """
    state = retry_on_conflict(
        lambda: _record_losses(conf, raw, snapshot, kafka_topic, acknowledgement),
        on=CommitFailedError,
        before_retry=snapshot.update_incremental,
    )
    topic_id = offsets.current_id(snapshot, state.topic_id)
    ranges = {}
    for partition, (earliest, stable) in state.partitions.items():
        landed = offsets.position(snapshot, topic_id, partition)
        start = earliest if landed is None else landed
        if start < stable and shard.contains(partition):
            ranges[partition] = (start, stable)
    return Plan(kafka_topic, topic_id, ranges, kafka_topic in topics.compacted(conf, [kafka_topic]))


def _record_losses(
    conf: Conf, raw: Table, snapshot: DeltaTable, kafka_topic: str, acknowledgement: Acknowledgement | None
) -> TopicState:
    """Record losses until the topic has no unrecorded one, and return its state."""
    while True:
        state = topic_state.describe(conf, [kafka_topic])[kafka_topic]
        losses = data_loss.find(raw, snapshot, state)
        if not losses:
            return state
        if acknowledgement is None:
            raise UnacknowledgedLoss(losses)
        data_loss.acknowledge(snapshot, state, losses, acknowledgement)
