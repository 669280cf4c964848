"""Freshness of the events tables: whether they hold all records that reached Kafka before a moment."""

from datetime import datetime

from deltalake import DeltaTable

from shopnow.broker import topic_state
from shopnow.broker.client import Conf
from shopnow.broker.topic_state import TopicState
from shopnow.events import TOPICS
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import offsets
from shopnow.lake.lineage import lineage


def lagging_topics(conf: Conf, lake: str, moment: datetime) -> list[str]:
    """Return the topics with records from before the moment that `events/{topic}` does not hold yet.

    Raises:
        UserError: a topic does not exist, or Kafka does not respond.
    """
    # Read the lake first, so that records which arrive in between do not count as missing.
    snapshots = {topic: _raw_snapshot(lake, topic) for topic in TOPICS}
    states = topic_state.describe(conf, TOPICS)
    return [
        topic
        for topic, state in states.items()
        if _is_behind(snapshots[topic], state, topic_state.offsets_since(conf, topic, moment))
    ]


def _is_behind(raw: DeltaTable | None, state: TopicState, ranges: dict[int, tuple[int, int]]) -> bool:
    """Return whether a partition of the raw snapshot ends before its range of records since the moment."""
    for partition, (earliest, _) in state.partitions.items():
        position = (
            None if raw is None else offsets.position(raw, offsets.current_id(raw, state.topic_id), partition)
        )
        if (earliest if position is None else position) < ranges[partition][0]:
            return True
    return False


def _raw_snapshot(lake: str, topic: str) -> DeltaTable | None:
    """Return the version of `raw/{topic}` that its events are derived from; None if there are no events."""
    events = Table(lake, f"events/{topic}")
    if not events.exists():
        return None
    version = lineage.sources(events, events.version()).get(f"raw/{topic}")
    return None if version is None else Table(lake, f"raw/{topic}").open(version)
