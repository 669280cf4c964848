"""The quarantine: landed records that are not valid events, and how they are replayed.

A record leaves the quarantine when the current event definitions accept it, or when an operator supplies a
corrected payload. Either is an amendment of raw: `problem` becomes null and, in the second case, `correction`
is set; the original bytes stay. A replayed record is new to `compute_kpis`, exactly once.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from shopnow import validation
from shopnow.errors import UserError
from shopnow.events import TOPICS, Topic
from shopnow.lake.delta import tables
from shopnow.lake.delta.rewrite import RowTransform
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import Kind, RecordId

QUARANTINED = "problem IS NOT NULL"
_COLUMNS = [*RecordId._fields, "timestamp", "value", "problem"]

Corrections = Mapping[RecordId, bytes]
"""Corrected payloads by record id."""


class Reason(NamedTuple):
    """Number of records of a topic in quarantine for a reason, and one example."""

    reason: str
    topic: str
    records: int
    example: RecordId


class Record(NamedTuple):
    """A record in quarantine."""

    topic: str
    record_id: RecordId
    time: datetime | None
    problem: str
    value: bytes | None


class Outcome(NamedTuple):
    """Outcome of a replay for one topic and reason: numbers of records."""

    topic: str
    reason: str
    replayed: int
    still_bad: int


def records(lake: str, topic: str | None = None, reason: str | None = None) -> Iterator[Record]:
    """Yield the records in quarantine, of one topic or reason if given, ordered by topic and record id."""
    for name in select_topics(topic):
        snapshot = Table(lake, f"raw/{name}").open_if_exists()
        if snapshot is None:
            continue
        rows = tables.read(snapshot, _COLUMNS, QUARANTINED)
        for row in rows.sort_by([(column, "ascending") for column in RecordId._fields]).to_pylist():
            if reason in {None, validation.reason_of(row["problem"])}:
                record_id = RecordId(*(row[column] for column in RecordId._fields))
                yield Record(name, record_id, row["timestamp"], row["problem"], row["value"])


def count_reasons(quarantined: Iterable[Record]) -> list[Reason]:
    """Count the records by topic and reason, most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], RecordId] = {}
    for record in quarantined:
        key = validation.reason_of(record.problem), record.topic
        counts[key] += 1
        examples.setdefault(key, record.record_id)
    return [Reason(*key, count, examples[key]) for key, count in counts.most_common()]


def select_topics(topic: str | None) -> Sequence[str]:
    """Return the topic as a list; all topics if None.

    Raises:
        UserError: the topic does not exist.
    """
    if topic is None:
        return list(TOPICS)
    if topic not in TOPICS:
        raise UserError(f"no topic {topic!r}; topics are {', '.join(TOPICS)}")
    return [topic]


def replay(
    lake: str, topic: str | None, reason: str | None, *, why: str, by: str, dry_run: bool = False
) -> list[Outcome]:
    """Validate the records in quarantine again and replay the valid ones.

    Idempotent and safe to call concurrently: each record leaves the quarantine once.

    Args:
        topic, reason: replay only records of these; all by default.
        why, by: reason and author of the amendment.
        dry_run: compute the outcome without changing anything.

    Raises:
        UserError: the topic does not exist.
    """
    outcomes: list[Outcome] = []
    for name in select_topics(topic):
        outcomes += _amend(lake, name, recheck(TOPICS[name], reason), reason, why, by, dry_run)
    return outcomes


def correct(
    lake: str, corrections: Mapping[str, Corrections], *, why: str, by: str, dry_run: bool = False
) -> list[Outcome]:
    """Replay records with corrected payloads, by topic; validate them with `corrections.check` first."""
    outcomes: list[Outcome] = []
    for name, payloads in corrections.items():
        change = apply_corrections(payloads)
        of_topic = _amend(lake, name, change, None, why, by, dry_run)
        outcomes += [outcome for outcome in of_topic if outcome.replayed]
    return outcomes


def recheck(topic: Topic, reason: str | None = None) -> RowTransform:
    """Return the transform of raw that clears `problem` of rows that the current definitions accept.

    Args:
        reason: validate only rows with this reason.
    """
    decode = topic.decoder().decode

    def change(rows: pa.Table) -> pa.Table:
        is_selected = [
            problem is not None and reason in {None, validation.reason_of(problem)}
            for problem in rows["problem"].to_pylist()
        ]
        if not any(is_selected):
            return rows
        mask = pa.array(is_selected)
        values = rows["value"].filter(mask).combine_chunks()
        # Against the time of the replay: by then, an event of the future may lie in the past.
        checked = validation.check_records(
            decode, values.to_pylist(), values, rows["headers"].filter(mask).to_pylist()
        )
        problems, payloads = checked.problems, pa.array(checked.payloads or [None] * len(values), pa.binary())
        is_valid = pa.array(
            [True] * len(values) if problems is None else [problem is None for problem in problems]
        )
        # The text of a problem that remains is not updated.
        remaining = pc.if_else(
            is_valid, pa.scalar(None, pa.string()), rows["problem"].filter(mask).combine_chunks()
        )
        rows = _set_column(
            rows, "payload", pc.replace_with_mask(rows["payload"].combine_chunks(), mask, payloads)
        )
        return _set_column(
            rows, "problem", pc.replace_with_mask(rows["problem"].combine_chunks(), mask, remaining)
        )

    return change


def apply_corrections(payloads: Corrections) -> RowTransform:
    """Return the transform of raw that sets these payloads as `correction` of rows in quarantine."""

    def change(rows: pa.Table) -> pa.Table:
        supplied = [payloads.get(record_id) for record_id in amendments.record_ids(rows)]
        payload = pc.if_else(
            pc.is_valid(rows["problem"]), pa.array(supplied, pa.binary()), pa.scalar(None, pa.binary())
        )
        rows = _set_column(rows, "correction", pc.coalesce(payload, rows["correction"]))
        return _set_column(
            rows, "problem", pc.if_else(pc.is_valid(payload), pa.scalar(None, pa.string()), rows["problem"])
        )

    return change


def _amend(
    lake: str, topic: str, change: RowTransform, reason: str | None, why: str, by: str, dry_run: bool
) -> list[Outcome]:
    raw = Table(lake, f"raw/{topic}")
    if not raw.exists():
        return []
    if dry_run:
        before = tables.read(raw.open(), predicate=QUARANTINED)
        for name in {"correction", "payload"}.difference(before.column_names):
            before = before.append_column(name, pa.nulls(len(before), pa.binary()))
        after = change(before)
        replayed = before.filter(pc.is_null(after["problem"]))["problem"]
        remaining = after.filter(pc.is_valid(after["problem"]))["problem"]
    else:
        changed = amendments.amend(
            raw, Kind.REPLAY, change, reason=why, by=by, pruning=QUARANTINED, point="replay"
        )
        replayed = changed.before["problem"]
        remaining = tables.read(raw.open(), ["problem"], QUARANTINED)["problem"]
    replayed_counts, remaining_counts = (
        validation.count_reasons([problems]) for problems in (replayed, remaining)
    )
    return [
        Outcome(topic, name, replayed_counts[name], remaining_counts[name])
        for name in sorted(replayed_counts | remaining_counts)
        if reason in {None, name}
    ]


def _set_column(rows: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)
