"""How far the lake has read each topic."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from deltalake import DeltaTable

from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.broker.topics import TopicState
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import offsets, receipts


class Position(NamedTuple):
    """Where Kafka and the lake stand with one partition."""

    topic: str
    topic_id: str
    partition: int
    earliest: int
    """The first offset Kafka still has."""
    stable: int
    """The offset after the last committed record."""
    landed: int | None
    """The next offset the lake will read; None before the first landing."""

    @property
    def lag(self) -> int:
        """Offsets not landed yet; transaction markers among them count as well."""
        return max(self.stable - (self.earliest if self.landed is None else self.landed), 0)


def positions(conf: Conf, lake: str) -> list[Position]:
    """The position of every partition of every topic. The lake is read before Kafka, so a lag is never negative by a race.

    Raises:
        UserError: a topic is missing, or Kafka does not answer.
    """
    raw = {name: Table(lake, f"raw/{name}").open() for name in TOPICS if Table(lake, f"raw/{name}").exists()}
    return positions_of(topics.describe(conf, TOPICS), raw)


def positions_of(states: Mapping[str, TopicState], raw: Mapping[str, DeltaTable]) -> list[Position]:
    """The position of every partition, from topics as they stand and the raw tables there are, by topic."""
    found = []
    for name, state in states.items():
        id_ = offsets.current_id(raw[name], state.topic_id) if name in raw else state.topic_id
        for partition, (earliest, stable) in sorted(state.partitions.items()):
            landed = offsets.position(raw[name], id_, partition) if name in raw else None
            found.append(Position(name, id_, partition, earliest, stable, landed))
    return found


def unread(conf: Conf, lake: str) -> list[str]:
    """The topics whose end is not where the lake stands: behind it, or, cut off since, before it."""
    return sorted(
        {
            each.topic
            for each in positions(conf, lake)
            if each.stable != (each.earliest if each.landed is None else each.landed)
        }
    )


def check_landed(conf: Conf, lake: str) -> None:
    """Make sure that the lake has all there is in Kafka.

    Raises:
        UserError: it does not; names the topics.
    """
    if behind := unread(conf, lake):
        raise UserError(
            f"not all of {', '.join(behind)} is landed yet; run land_events first, then this again"
        )


def markers(lake: str, partitions: Sequence[Position]) -> int:
    """Offsets of the landed part of a topic's partitions that hold no record, though Kafka counts them."""
    earliest = {
        (each.topic_id, each.partition): each.earliest for each in partitions if each.landed is not None
    }
    if not earliest:
        return 0
    rows = receipts.receipts(lake, partitions[0].topic).to_pylist()
    kept = [
        row
        for row in rows
        if row["start_offset"] >= earliest.get((row["topic_id"], row["partition"]), row["end_offset"])
    ]
    return sum(row["markers"] for row in kept)
