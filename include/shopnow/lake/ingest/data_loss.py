"""Records that Kafka lost before the lake had read them: found before every landing, never passed over in silence.

A loss stops the landing of its topic. Going on takes an acknowledgement with a reason, which is written in the very commit
that moves the position past the gap, and is kept in the table `losses` for ever.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction

from shopnow.broker.topics import TopicState
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata
from shopnow.lake.delta.commit_metadata import CommitTable
from shopnow.lake.ingest import offsets, receipts
from shopnow.schemas import RAW, TIMESTAMP

EXPIRED, TRUNCATED, RECREATED = "expired", "truncated", "recreated"


class Acknowledgement(NamedTuple):
    """Somebody's word that landing may go on without what is lost."""

    reason: str
    by: str


class Loss(NamedTuple):
    """A gap in what was read of a partition: offsets `[start_offset, end_offset)`."""

    topic: str
    topic_id: str
    partition: int
    kind: str
    """`expired`: retention removed them; `truncated`: the end was cut off; `recreated`: the whole topic was deleted."""
    start_offset: int
    end_offset: int | None
    """None if nobody can know."""
    missing_rows: int | None
    """At most so many; None if nobody can know."""
    from_time: datetime | None
    to_time: datetime | None
    """Event times between which rows may be missing; None for an open end."""
    reason: str = ""
    acknowledged_by: str = ""
    committed_at: datetime | None = None

    @property
    def id(self) -> str:
        end = "" if self.end_offset is None else self.end_offset - 1
        return f"{self.topic}/{self.partition}/{self.start_offset}-{end}"

    def __str__(self) -> str:
        place = f"topic {self.topic}, partition {self.partition}"
        match self.kind:
            case "expired":
                last = (self.end_offset or 0) - 1
                gone = f"offsets {self.start_offset} to {last} are gone from Kafka before they were read"
                return f"{place}: {gone}, at most {self.missing_rows} records lost"
            case "truncated":
                return (
                    f"{place}: read up to offset {self.end_offset} but Kafka now ends at {self.start_offset}; its last records were "
                    "cut off, read ones and maybe others, and new ones take their offsets"
                )
        return f"{place}: the topic was deleted and created again; what came after offset {self.start_offset - 1} of the one before is gone"


class UnacknowledgedLoss(UserError):
    """Records are lost, and nobody has said that landing may go on without them."""

    def __init__(self, losses: Sequence[Loss]) -> None:
        super().__init__(losses)
        self.losses = losses

    def __str__(self) -> str:
        topic = self.losses[0].topic
        return (
            f"{'; '.join(map(str, self.losses))}; nothing more of this topic is landed. To go on without them, on record, run land_events "
            f'with {{"acknowledge_loss_of": "{topic}", "reason": "why that is right"}}'
        )


def find(lake: str, topic: str, table: DeltaTable, state: TopicState) -> list[Loss]:
    """What Kafka has lost of a topic since it was last read into `table`, which is `raw/{topic}`."""
    id_ = offsets.current_id(table, state.topic_id)
    now = datetime.now(UTC)
    gaps: list[tuple[str, int, str, int, int | None, int | None]] = []
    for partition, (earliest, stable) in sorted(state.partitions.items()):
        landed = offsets.position(table, id_, partition)
        if landed is not None and landed < earliest:
            gaps.append((id_, partition, EXPIRED, landed, earliest, earliest - landed))
        elif landed is not None and landed > stable:
            gaps.append((id_, partition, TRUNCATED, stable, landed, None))
    if not offsets.is_known(table, state.topic_id, list(state.partitions)):
        ended = _ends(receipts.receipts(lake, topic, table.version()).to_pylist())
        gaps += [
            (each, partition, RECREATED, end, None, None) for (each, partition), end in sorted(ended.items())
        ]
    if not gaps:
        return []
    spans = _spans(receipts.receipts(lake, topic, table.version()).to_pylist())
    found = [Loss(topic, *gap, *_window(spans.get((gap[0], gap[1])), now)) for gap in gaps]
    known = {(each.topic_id, each.id) for each in read(lake, [topic])}
    return [each for each in found if each.kind != RECREATED or (each.topic_id, each.id) not in known]


def acknowledge(
    table: DeltaTable, state: TopicState, losses: Sequence[Loss], acknowledgement: Acknowledgement
) -> None:
    """Put the losses on record and move the positions past them, in one commit against the snapshot they were found in.

    Raises:
        UserError: no reason is given.
        deltalake.exceptions.CommitFailedError: another run has moved these positions meanwhile.
    """
    if not acknowledgement.reason.strip():
        raise UserError(
            "a loss is acknowledged with a reason: say why going on without these records is right"
        )
    told = [
        each._replace(reason=acknowledgement.reason.strip(), acknowledged_by=acknowledgement.by)
        for each in losses
    ]
    table.create_write_transaction(
        [],
        mode="append",
        schema=RAW,
        partition_by=list(table.metadata().partition_columns),
        commit_properties=CommitProperties(
            custom_metadata={LOSSES.key: json.dumps([_plain(each) for each in told])},
            app_transactions=_moves(table, state, losses),
        ),
    )
    table.update_incremental()


def read(lake: str, topics: Iterable[str] = TOPICS) -> list[Loss]:
    """Every loss of these topics that was ever acknowledged, each topic's oldest first."""
    return [
        Loss(**{name: row[name] for name in Loss._fields})
        for topic in topics
        for row in commit_metadata.read(lake, LOSSES, f"raw/{topic}").to_pylist()
    ]


def _moves(table: DeltaTable, state: TopicState, losses: Sequence[Loss]) -> list[Transaction]:
    """What moves the positions past the losses."""
    kinds = {each.kind for each in losses}
    if RECREATED in kinds:
        return [offsets.mark_seen(state.topic_id)]
    id_ = offsets.current_id(table, state.topic_id)
    moved = {
        each.partition: each.start_offset if each.kind == TRUNCATED else each.end_offset for each in losses
    }
    if TRUNCATED not in kinds:
        return [Transaction(offsets.app_id(id_, partition), offset) for partition, offset in moved.items()]
    next_id, counted_anew = offsets.next_id(table, state.topic_id)
    kept = {partition: offsets.position(table, id_, partition) for partition in state.partitions}
    carried = {partition: offset for partition, offset in {**kept, **moved}.items() if offset is not None}
    return [
        counted_anew,
        *(Transaction(offsets.app_id(next_id, partition), offset) for partition, offset in carried.items()),
    ]


def _ends(rows: list[dict[str, Any]]) -> dict[tuple[str, int], int]:
    """The offset after the last receipt of each partition."""
    return {(row["topic_id"], row["partition"]): row["end_offset"] for row in rows}


def _spans(rows: list[dict[str, Any]]) -> dict[tuple[str, int], tuple[datetime, datetime]]:
    """Of each partition the first event time of its last receipt that held events, and the last of all its receipts."""
    found: dict[tuple[str, int], tuple[datetime, datetime]] = {}
    for row in rows:
        if row["first_event_time"]:
            key = row["topic_id"], row["partition"]
            found[key] = (
                row["first_event_time"],
                max(row["last_event_time"], found.get(key, (None, row["last_event_time"]))[1]),
            )
    return found


def _window(span: tuple[datetime, datetime] | None, now: datetime) -> tuple[datetime | None, datetime]:
    """Between which event times rows may be missing: events come more or less in order, some with times that are yet to come."""
    return (min(span[0], now), max(span[1], now)) if span else (None, now)


def _plain(loss: Loss) -> dict[str, Any]:
    times = {
        name: time and time.isoformat()
        for name, time in (("from_time", loss.from_time), ("to_time", loss.to_time))
    }
    return {**loss._asdict(), **times, "id": loss.id}


def _rows(told: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for loss in told:
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
            pa.field("kind", pa.string(), metadata={"comment": "expired, truncated or recreated"}),
            pa.field("start_offset", pa.int64()),
            pa.field(
                "end_offset", pa.int64(), metadata={"comment": "the offset after the last; null if unknown"}
            ),
            pa.field("missing_rows", pa.int64(), metadata={"comment": "at most so many; null if unknown"}),
            pa.field(
                "from_time",
                TIMESTAMP,
                metadata={"comment": "no row is missing with an event time before this; null if unknown"},
            ),
            pa.field(
                "to_time", TIMESTAMP, metadata={"comment": "no row is missing with an event time after this"}
            ),
            pa.field("reason", pa.string(), metadata={"comment": "why going on was right"}),
            pa.field("acknowledged_by", pa.string()),
        ]
    ),
    sources=tuple(f"raw/{topic}" for topic in TOPICS),
    rows=_rows,
)
"""What was acknowledged as lost."""
