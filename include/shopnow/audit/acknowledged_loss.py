"""Records of the ledger that an acknowledged data loss covers; no check reports them as missing."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from shopnow.lake.ingest import offsets
from shopnow.lake.ingest.data_loss import DAMAGED, EXPIRED, Loss


def may_be_lost(rows: pa.Table, losses: Sequence[Loss]) -> pa.Array:
    """Tell for each of these ledger rows of one topic whether an acknowledged loss may cover it."""
    record_ids = zip(
        *(rows[name].to_pylist() for name in ("topic_id", "partition", "offset", "event_time")), strict=True
    )
    return pa.array(
        [any(_covers(loss, *record_id) for loss in losses) for record_id in record_ids], pa.bool_()
    )


def _covers(loss: Loss, topic_id: str, partition: int, offset: int, event_time: datetime) -> bool:
    if (offsets.kafka_id(loss.topic_id), loss.partition) != (
        topic_id,
        partition,
    ) or offset < loss.start_offset:
        return False
    if loss.kind in {EXPIRED, DAMAGED}:
        return loss.end_offset is not None and offset < loss.end_offset
    # The end of the lost range is unknown, but events after its time span are not part of it.
    return loss.to_time is None or event_time <= loss.to_time
