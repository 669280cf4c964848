"""Losses: records that Kafka lost before they were landed, or that the lake lost to damage beyond repair.

Losses in Kafka are detected before every landing.

A loss stops the landing of its topic; other topics still land, but the failed run of `land_events` does not
trigger `compute_kpis`. To continue takes an acknowledgement with a reason. The commit that moves the position
past the gap records it, and it is kept in the table `losses`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction

from shopnow.broker.topic_state import TopicState
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata
from shopnow.lake.delta.commit_metadata import CommitTable
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import offsets, receipts
from shopnow.schemas import RAW, TIMESTAMP

EXPIRED, TRUNCATED, RECREATED, DAMAGED = "expired", "truncated", "recreated", "damaged"


class Acknowledgement(NamedTuple):
    """Approval to continue landing past lost records."""

    reason: str
    by: str


class Loss(NamedTuple):
    """A gap in the landed records of a partition: offsets `[start_offset, end_offset)`."""

    topic: str
    topic_id: str
    partition: int
    kind: str
    """`expired`: removed by retention; `truncated`: cut off at the end; `recreated`: topic deleted;
    `damaged`: landed, but their files in the lake were damaged beyond repair."""
    start_offset: int
    end_offset: int | None
    """None if unknown."""
    missing_rows: int | None
    """Upper bound on lost records; None if unknown."""
    from_time: datetime | None
    to_time: datetime | None
    """Bounds of the event times of lost records; None if unbounded."""
    reason: str = ""
    acknowledged_by: str = ""
    committed_at: datetime | None = None

    @property
    def id(self) -> str:
        end = "" if self.end_offset is None else self.end_offset - 1
        return f"{self.topic}/{self.partition}/{self.start_offset}-{end}"

    def __str__(self) -> str:
        subject = f"topic {self.topic}, partition {self.partition}"
        match self.kind:
            case "expired":
                return (
                    f"{subject}: offsets {self.start_offset} to {(self.end_offset or 0) - 1} are gone from "
                    f"Kafka before they were landed, at most {self.missing_rows} records lost"
                )
            case "damaged":
                return (
                    f"{subject}: {self.missing_rows} landed records of offsets {self.start_offset} to "
                    f"{(self.end_offset or 0) - 1} were in damaged files of the lake; no copy has "
                    "the same bytes, as they are gone from Kafka or an erasure had changed them"
                )
            case "truncated":
                return (
                    f"{subject}: landed up to offset {self.end_offset} but Kafka now ends at "
                    f"{self.start_offset}; its last records were cut off, landed ones and possibly others, "
                    "and new records reuse their offsets"
                )
        return (
            f"{subject}: the topic was deleted and created again; records of the previous topic after offset "
            f"{self.start_offset - 1} are gone"
        )


class UnacknowledgedLoss(UserError):
    """Records are lost and nobody has approved to continue without them."""

    def __init__(self, losses: Sequence[Loss]) -> None:
        super().__init__(losses)
        self.losses = losses

    def __str__(self) -> str:
        topics = sorted({loss.topic for loss in self.losses})
        return (
            f"{'; '.join(map(str, self.losses))}; landing of {' and '.join(topics)} has stopped. To continue "
            f'without these records, run land_events with {{"acknowledge_loss_of": "{topics[0]}", "reason": '
            '"why that is right"}, a run for each topic; the acknowledgement is recorded'
        )


def find(raw: Table, snapshot: DeltaTable, state: TopicState) -> list[Loss]:
    """Return what Kafka has lost since the snapshot of the raw table, except recorded recreations."""
    topic = raw.name.removeprefix("raw/")
    topic_id = offsets.current_id(snapshot, state.topic_id)
    now = datetime.now(UTC)
    gaps: list[tuple[str, int, str, int, int | None, int | None]] = []
    for partition, (earliest, stable) in sorted(state.partitions.items()):
        landed = offsets.position(snapshot, topic_id, partition)
        if landed is not None and landed < earliest:
            gaps.append((topic_id, partition, EXPIRED, landed, earliest, earliest - landed))
        elif landed is not None and landed > stable:
            gaps.append((topic_id, partition, TRUNCATED, stable, landed, None))
    if not offsets.is_known(snapshot, state.topic_id, list(state.partitions)):
        end_offsets = _end_offsets(receipts.read(raw, snapshot.version()).to_pylist())
        gaps += [
            (old_id, partition, RECREATED, end, None, None)
            for (old_id, partition), end in sorted(end_offsets.items())
        ]
    if not gaps:
        return []
    spans = _event_time_spans(receipts.read(raw, snapshot.version()).to_pylist())
    losses = [Loss(topic, *gap, *_time_bounds(spans.get((gap[0], gap[1])), now)) for gap in gaps]
    recorded = {(loss.topic_id, loss.id) for loss in read(raw.lake, [topic])}
    return [loss for loss in losses if loss.kind != RECREATED or (loss.topic_id, loss.id) not in recorded]


def acknowledge(
    snapshot: DeltaTable, state: TopicState, losses: Sequence[Loss], acknowledgement: Acknowledgement
) -> None:
    """Record the losses and move the positions past them, in one commit against the snapshot.

    Raises:
        UserError: the reason is empty.
        deltalake.exceptions.CommitFailedError: another run has moved these positions since the snapshot.
    """
    if not acknowledgement.reason.strip():
        raise UserError(
            "a loss is acknowledged with a reason: say why it is right to continue without these records"
        )
    acknowledged = [
        loss._replace(reason=acknowledgement.reason.strip(), acknowledged_by=acknowledgement.by)
        for loss in losses
    ]
    metadata = msgspec.json.encode([to_json(loss) for loss in acknowledged]).decode()
    snapshot.create_write_transaction(
        [],
        mode="append",
        schema=RAW,
        partition_by=list(snapshot.metadata().partition_columns),
        commit_properties=CommitProperties(
            custom_metadata={LOSSES.key: metadata},
            app_transactions=_new_positions(snapshot, state, losses),
        ),
    )
    snapshot.update_incremental()


def read(lake: str, topics: Iterable[str] = TOPICS) -> list[Loss]:
    """Read all acknowledged losses of the topics, each topic's oldest first."""
    return [
        Loss(**{name: row[name] for name in Loss._fields})
        for topic in topics
        for row in commit_metadata.read(Table(lake, f"raw/{topic}"), LOSSES).to_pylist()
    ]


def upper_bound(receipt_rows: Iterable[Mapping[str, Any]], losses: Iterable[Loss]) -> int | None:
    """Return how many records of a topic may be lost: acknowledged losses, and what compaction removed.

    Args:
        receipt_rows: the receipts of the topic's raw table.
        losses: the acknowledged losses of the topic.

    Returns:
        None if the number of an acknowledged loss is unknown.
    """
    bounds = [row["possibly_lost"] or 0 for row in receipt_rows] + [loss.missing_rows for loss in losses]
    known = [rows for rows in bounds if rows is not None]
    return sum(known) if len(known) == len(bounds) else None


def _new_positions(snapshot: DeltaTable, state: TopicState, losses: Sequence[Loss]) -> list[Transaction]:
    """Return the app transactions that move the positions past the losses."""
    kinds = {loss.kind for loss in losses}
    if RECREATED in kinds:
        return [offsets.mark_seen(state.topic_id)]
    topic_id = offsets.current_id(snapshot, state.topic_id)
    moved = {
        loss.partition: loss.start_offset if loss.kind == TRUNCATED else loss.end_offset for loss in losses
    }
    if TRUNCATED not in kinds:
        return [
            Transaction(offsets.app_id(topic_id, partition), offset) for partition, offset in moved.items()
        ]
    next_id, truncation = offsets.next_id(snapshot, state.topic_id)
    current = {partition: offsets.position(snapshot, topic_id, partition) for partition in state.partitions}
    positions = {
        partition: offset for partition, offset in {**current, **moved}.items() if offset is not None
    }
    return [
        truncation,
        *(Transaction(offsets.app_id(next_id, partition), offset) for partition, offset in positions.items()),
    ]


def _end_offsets(rows: list[dict[str, Any]]) -> dict[tuple[str, int], int]:
    """Return the end offset of each partition's last receipt."""
    return {(row["topic_id"], row["partition"]): row["end_offset"] for row in rows}


def _event_time_spans(rows: list[dict[str, Any]]) -> dict[tuple[str, int], tuple[datetime, datetime]]:
    """Return per partition the first event time of its last receipt with events and the last of all."""
    spans: dict[tuple[str, int], tuple[datetime, datetime]] = {}
    for row in rows:
        if row["first_event_time"]:
            key = row["topic_id"], row["partition"]
            _, last = spans.get(key, (None, row["last_event_time"]))
            spans[key] = row["first_event_time"], max(row["last_event_time"], last)
    return spans


def _time_bounds(span: tuple[datetime, datetime] | None, now: datetime) -> tuple[datetime | None, datetime]:
    """Bound the event times of lost records: events arrive roughly in order, some with future times."""
    return (min(span[0], now), max(span[1], now)) if span else (None, now)


def to_json(loss: Loss) -> dict[str, Any]:
    """Return a loss as JSON for the metadata of a commit."""
    times = {
        name: time and time.isoformat()
        for name, time in (("from_time", loss.from_time), ("to_time", loss.to_time))
    }
    return {**loss._asdict(), **times, "id": loss.id}


def _rows(losses: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for loss in losses:
        times = {name: loss[name] and datetime.fromisoformat(loss[name]) for name in ("from_time", "to_time")}
        yield {**{name: loss[name] for name in LOSSES.columns.names}, **times}


LOSSES = CommitTable(
    table="losses",
    key="losses",
    columns=pa.schema(
        [
            pa.field("id", pa.string(), metadata={"comment": "topic/partition/first-last lost offset"}),
            pa.field("topic", pa.string()),
            pa.field("topic_id", pa.string()),
            pa.field("partition", pa.int32()),
            pa.field("kind", pa.string(), metadata={"comment": "expired, truncated, recreated or damaged"}),
            pa.field("start_offset", pa.int64()),
            pa.field(
                "end_offset", pa.int64(), metadata={"comment": "the offset after the last; null if unknown"}
            ),
            pa.field(
                "missing_rows",
                pa.int64(),
                metadata={"comment": "upper bound on lost records; null if unknown"},
            ),
            pa.field(
                "from_time",
                TIMESTAMP,
                metadata={"comment": "lower bound of the lost records' event times; null if unknown"},
            ),
            pa.field(
                "to_time", TIMESTAMP, metadata={"comment": "upper bound of the lost records' event times"}
            ),
            pa.field("reason", pa.string(), metadata={"comment": "why it was right to continue"}),
            pa.field("acknowledged_by", pa.string()),
        ]
    ),
    sources=tuple(f"raw/{topic}" for topic in TOPICS),
    rows=_rows,
)
"""Acknowledged losses."""
