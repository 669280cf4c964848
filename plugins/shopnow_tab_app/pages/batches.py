"""The landing commits, with the offsets that each consumed."""

from datetime import datetime

from pydantic import BaseModel

from shopnow_tab_app.replica.client import LakeReplica

MAX_BATCHES = 30


class Batch(BaseModel):
    """A landing commit: the ranges it consumed from a topic's partitions."""

    topic: str
    version: int
    committed_at: datetime
    rows: int
    quarantined: int
    ranges: list[str]
    """`partition: first–last offset`."""
    first_event_time: datetime | None
    last_event_time: datetime | None


def read_batches(
    lake: LakeReplica,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Batch]:
    """Return the latest landing commits, newest first; between two times, if they are given."""
    rows = lake.query(
        f"""
        SELECT topic, version, any_value(committed_at) AS committed_at, sum(rows)::BIGINT AS rows,
            sum(quarantined)::BIGINT AS quarantined,
            list(partition || ': ' || start_offset || '–' || (end_offset - 1) ORDER BY partition) AS ranges,
            min(first_event_time) AS first_event_time, max(last_event_time) AS last_event_time
        FROM receipts
        WHERE committed_at >= coalesce($start::TIMESTAMPTZ, '-infinity')
            AND committed_at <= coalesce($end::TIMESTAMPTZ, 'infinity')
        GROUP BY topic, version ORDER BY committed_at DESC, topic LIMIT {MAX_BATCHES}
        """,  # noqa: S608  (a number of our own)
        {"start": start, "end": end},
    )
    return [Batch(**row) for row in rows]
