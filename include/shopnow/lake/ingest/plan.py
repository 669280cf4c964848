"""What a landing has to read: everything committed to a topic that is not in its raw table, and nothing that is."""

from dataclasses import dataclass
from typing import NamedTuple

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.broker.reader import Ranges
from shopnow.events import Topic
from shopnow.lake.ingest import data_loss, offsets
from shopnow.lake.ingest.data_loss import Acknowledgement, UnacknowledgedLoss


class PartitionShard(NamedTuple):
    """Some of a topic's partitions, for one of several runs that land it at once, each a share of its own."""

    number: int
    """From 0 on."""
    of: int
    """How many there are."""

    def has(self, partition: int) -> bool:
        return partition % self.of == self.number


ALL = PartitionShard(0, 1)


@dataclass(frozen=True)
class Plan:
    """What a run has to read: of the Kafka topic of this name, the ranges of offsets by partition; `topic_id` is the lake's for it."""

    kafka_topic: str
    topic_id: str
    ranges: Ranges


def make_plan(
    conf: Conf,
    lake: str,
    table: DeltaTable,
    topic: Topic,
    kafka_topic: str,
    acknowledgement: Acknowledgement | None = None,
    share: PartitionShard = ALL,
) -> Plan:
    """What is committed to a share of the topic and not in the table, as the two stand now; losses, of the whole of it, were put on
    record if they are acknowledged.

    Raises:
        UnacknowledgedLoss: some of it is gone.
        UserError: no such topic, or Kafka does not answer.
    """
    while True:
        state = topics.describe(conf, [kafka_topic])[kafka_topic]
        lost = data_loss.find(lake, topic.name, table, state)
        if not lost:
            break
        if acknowledgement is None:
            raise UnacknowledgedLoss(lost)
        try:
            data_loss.acknowledge(table, state, lost, acknowledgement)
        except CommitFailedError:
            table.update_incremental()  # another run did so, or landed something, in between
    topic_id = offsets.current_id(table, state.topic_id)
    ranges = {}
    for partition, (earliest, stable) in state.partitions.items():
        landed = offsets.position(table, topic_id, partition)
        start = earliest if landed is None else landed
        if start < stable and share.has(partition):
            ranges[partition] = (start, stable)
    return Plan(kafka_topic, topic_id, ranges)
