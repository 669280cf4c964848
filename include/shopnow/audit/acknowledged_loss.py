"""Records of the ledger that are acknowledged as lost: no check misses those."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from shopnow.lake.ingest import offsets
from shopnow.lake.ingest.data_loss import EXPIRED, Loss


def lost(rows: pa.Table, losses: Sequence[Loss]) -> pa.Array:
    """For each of these ledger rows of one topic, whether it may be lost by what was acknowledged."""
    places = zip(
        *(rows[name].to_pylist() for name in ("topic_id", "partition", "offset", "event_time")), strict=True
    )
    return pa.array([any(_covers(loss, *place) for loss in losses) for place in places], pa.bool_())


def _covers(loss: Loss, topic_id: str, partition: int, offset: int, event_time: datetime) -> bool:
    if (offsets.kafka_id(loss.topic_id), loss.partition) != (
        topic_id,
        partition,
    ) or offset < loss.start_offset:
        return False
    if loss.kind == EXPIRED:
        return loss.end_offset is not None and offset < loss.end_offset
    # How far it went nobody knows; but what happened later was not lost by it.
    return loss.to_time is None or event_time <= loss.to_time
