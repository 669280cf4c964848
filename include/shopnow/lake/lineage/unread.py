"""Records of a topic that a table computed from it lacks: those after the offsets its source version has."""

from deltalake import DeltaTable

from shopnow.broker.reader import Ranges
from shopnow.broker.topic_state import TopicState
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import offsets
from shopnow.lake.lineage import lineage


def source_snapshot(table: Table, version: int, topic: str) -> DeltaTable | None:
    """Return the snapshot of `raw/{topic}` that a table's version was computed from; None if from none."""
    source = Table(table.lake, f"raw/{topic}")
    source_version = lineage.sources(table, version).get(source.name)
    return None if source_version is None else source.open(source_version)


def unread_ranges(state: TopicState, raw: DeltaTable | None) -> Ranges:
    """Return the offset ranges of the topic that a version of its raw table lacks.

    These are all offsets of a recreated topic, or of a truncated partition.

    Records that retention removed before they were read are left out; landing reports them.
    """
    topic_id = None if raw is None else offsets.current_id(raw, state.topic_id)
    ranges = {}
    for partition, (earliest, stable) in state.partitions.items():
        read = None if raw is None or topic_id is None else offsets.position(raw, topic_id, partition)
        ranges[partition] = (earliest if read is None or read > stable else max(read, earliest), stable)
    return ranges
