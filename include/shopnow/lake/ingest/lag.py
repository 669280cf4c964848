"""Lag of the lake behind each topic."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from deltalake import DeltaTable

from shopnow.broker import topic_state
from shopnow.broker.client import Conf
from shopnow.broker.topic_state import TopicState
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import offsets


class Position(NamedTuple):
    """Offsets of one partition in Kafka and in the lake."""

    topic: str
    topic_id: str
    partition: int
    earliest: int
    """The first offset that Kafka still has."""
    stable: int
    """The last stable offset: the one after the last committed record."""
    landed: int | None
    """The next offset to land; None before the first landing."""
    held_back: int = 0
    """Number of offsets after the last stable one, which an open transaction holds back."""

    @property
    def lag(self) -> int:
        """Number of offsets not landed yet, transaction markers included."""
        return max(self.stable - (self.earliest if self.landed is None else self.landed), 0)

    @property
    def is_landed(self) -> bool:
        """Whether the lake has all up to the last stable offset, which is lower after a truncation."""
        return self.stable == (self.earliest if self.landed is None else self.landed)


def positions(conf: Conf, lake: str) -> list[Position]:
    """Return the position of every partition of every topic.

    The lake is read before Kafka, so that records landed in between do not make a lag negative.

    Raises:
        UserError: a topic does not exist, or Kafka does not respond.
    """
    raw_tables = {topic: Table(lake, f"raw/{topic}") for topic in TOPICS}
    snapshots = {topic: raw.open() for topic, raw in raw_tables.items() if raw.exists()}
    return compute_positions(topic_state.describe(conf, TOPICS), snapshots)


def compute_positions(
    states: Mapping[str, TopicState], snapshots: Mapping[str, DeltaTable]
) -> list[Position]:
    """Compute the position of every partition from topic states and, where they exist, raw snapshots."""
    result = []
    for topic, state in states.items():
        snapshot = snapshots.get(topic)
        topic_id = state.topic_id if snapshot is None else offsets.current_id(snapshot, state.topic_id)
        for partition, (earliest, stable) in sorted(state.partitions.items()):
            landed = None if snapshot is None else offsets.position(snapshot, topic_id, partition)
            held_back = state.held_back.get(partition, 0)
            result.append(Position(topic, topic_id, partition, earliest, stable, landed, held_back))
    return result


def lagging_topics(conf: Conf, lake: str) -> list[str]:
    """Return the topics whose last stable offset differs from the lake's."""
    return sorted({position.topic for position in positions(conf, lake) if not position.is_landed})


def check_landed(conf: Conf, lake: str) -> None:
    """Check that all records in Kafka are landed.

    Raises:
        UserError: names the topics with records that are not.
    """
    if lagging := lagging_topics(conf, lake):
        raise UserError(
            f"not all of {', '.join(lagging)} is landed yet; run land_events first, then this again"
        )


def count_gaps(receipt_rows: Iterable[Mapping[str, Any]], partitions: Sequence[Position]) -> int:
    """Count the landed offsets of a topic's partitions that Kafka still has and that hold no record.

    Args:
        receipt_rows: the receipts of the topic's raw table.
    """
    earliest = {
        (position.topic_id, position.partition): position.earliest
        for position in partitions
        if position.landed is not None
    }
    return sum(
        row["markers"] + (row["possibly_lost"] or 0)
        for row in receipt_rows
        if row["start_offset"] >= earliest.get((row["topic_id"], row["partition"]), row["end_offset"])
    )
