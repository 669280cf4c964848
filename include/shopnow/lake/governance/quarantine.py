"""The quarantine: records that landed though they are not valid events, and their way out of it.

A record leaves the quarantine when the event definitions as they are now accept it, or when an operator gives a corrected
payload for it. Either is an amendment of raw: `problem` becomes null, and `correction` is set in the second case; the bytes
that came stay as they are. What has left is new to `compute_kpis`, exactly once.
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
from shopnow.lake.delta.rewrite import Change
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import Kind, RecordId

QUARANTINED = "problem IS NOT NULL"
_COLUMNS = [*RecordId._fields, "timestamp", "value", "problem"]

Corrections = Mapping[RecordId, bytes]
"""Corrected payloads by place."""


class Reason(NamedTuple):
    """How many records of a topic are in quarantine for a reason, and one of them."""

    reason: str
    topic: str
    records: int
    example: RecordId


class Record(NamedTuple):
    """A record in quarantine."""

    topic: str
    place: RecordId
    time: datetime | None
    problem: str
    value: bytes | None


class Outcome(NamedTuple):
    """What became of a topic's records that were in quarantine for a reason."""

    topic: str
    reason: str
    replayed: int
    still_bad: int


def records(lake: str, topic: str | None = None, reason: str | None = None) -> Iterator[Record]:
    """The records in quarantine, of one topic or reason if given; of each topic by place."""
    for name in chosen(topic):
        if not Table(lake, f"raw/{name}").exists():
            continue
        rows = tables.read(Table(lake, f"raw/{name}").open(), _COLUMNS, QUARANTINED)
        for row in rows.sort_by([(column, "ascending") for column in RecordId._fields]).to_pylist():
            if reason in {None, validation.reason_of(row["problem"])}:
                place = RecordId(*(row[column] for column in RecordId._fields))
                yield Record(name, place, row["timestamp"], row["problem"], row["value"])


def reasons(found: Iterable[Record]) -> list[Reason]:
    """The records counted by topic and reason, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], RecordId] = {}
    for record in found:
        key = validation.reason_of(record.problem), record.topic
        counts[key] += 1
        examples.setdefault(key, record.place)
    return [Reason(*key, count, examples[key]) for key, count in counts.most_common()]


def chosen(topic: str | None) -> Sequence[str]:
    """The topic, or all of them.

    Raises:
        UserError: there is no such topic.
    """
    if topic is None:
        return list(TOPICS)
    if topic not in TOPICS:
        raise UserError(f"no topic {topic!r}; there are {', '.join(TOPICS)}")
    return [topic]


def replay(
    lake: str, topic: str | None, reason: str | None, *, why: str, by: str, dry_run: bool = False
) -> list[Outcome]:
    """Check the records in quarantine, of one topic or reason if given, again, and let go those that are valid events by now.

    Safe to repeat, and to run several times at once: each record leaves once.

    Raises:
        UserError: there is no such topic.
    """
    outcomes: list[Outcome] = []
    for name in chosen(topic):
        outcomes += _amend(lake, name, rechecked(TOPICS[name], reason), reason, why, by, dry_run)
    return outcomes


def correct(
    lake: str, corrections: Mapping[str, Corrections], *, why: str, by: str, dry_run: bool = False
) -> list[Outcome]:
    """Let records go with the payloads given for them, by topic; see `shopnow.lake.governance.corrections` for how these are checked."""
    outcomes: list[Outcome] = []
    for name, payloads in corrections.items():
        outcomes += [
            each for each in _amend(lake, name, corrected(payloads), None, why, by, dry_run) if each.replayed
        ]
    return outcomes


def rechecked(topic: Topic, reason: str | None = None) -> Change:
    """The change of raw that takes the problem from rows, of this reason if given, that have none by the definitions as they are."""
    decode = topic.decoder().decode

    def change(rows: pa.Table) -> pa.Table:
        looked_at = [
            text is not None and reason in {None, validation.reason_of(text)}
            for text in rows["problem"].to_pylist()
        ]
        if not any(looked_at):
            return rows
        mask = pa.array(looked_at)
        values = rows["value"].filter(mask).combine_chunks()
        found = validation.check_records(decode, values.to_pylist(), values).problems
        valid = pa.array([True] * len(values) if found is None else [each is None for each in found])
        return _replaced(
            rows,
            "problem",
            pc.replace_with_mask(rows["problem"].combine_chunks(), mask, _cleared(rows, mask, valid)),
        )

    return change


def corrected(payloads: Corrections) -> Change:
    """The change of raw that gives rows in quarantine these payloads."""

    def change(rows: pa.Table) -> pa.Table:
        given = [payloads.get(place) for place in amendments.places(rows)]
        payload = pc.if_else(
            pc.is_valid(rows["problem"]), pa.array(given, pa.binary()), pa.scalar(None, pa.binary())
        )
        rows = _replaced(rows, "correction", pc.coalesce(payload, rows["correction"]))
        return _replaced(
            rows, "problem", pc.if_else(pc.is_valid(payload), pa.scalar(None, pa.string()), rows["problem"])
        )

    return change


def _amend(
    lake: str, topic: str, change: Change, reason: str | None, why: str, by: str, dry_run: bool
) -> list[Outcome]:
    if not Table(lake, f"raw/{topic}").exists():
        return []
    if dry_run:
        table = Table(lake, f"raw/{topic}").open()
        before = tables.read(table, predicate=QUARANTINED)
        if "correction" not in before.column_names:
            before = before.append_column("correction", pa.nulls(len(before), pa.binary()))
        after = change(before)
        left = before.filter(pc.is_null(after["problem"]))["problem"]
        stayed = after.filter(pc.is_valid(after["problem"]))["problem"]
    else:
        changed = amendments.amend(
            lake, topic, Kind.REPLAY, change, reason=why, by=by, pruning=QUARANTINED, point="replay"
        )
        left = changed.before["problem"]
        stayed = tables.read(Table(lake, f"raw/{topic}").open(), ["problem"], QUARANTINED)["problem"]
    gone, kept = validation.count_reasons([left]), validation.count_reasons([stayed])
    return [
        Outcome(topic, each, gone[each], kept[each]) for each in sorted(gone | kept) if reason in {None, each}
    ]


def _cleared(rows: pa.Table, mask: pa.Array, valid: pa.Array) -> pa.Array:
    """The problems of the masked rows, but none where valid."""
    return pc.if_else(valid, pa.scalar(None, pa.string()), rows["problem"].filter(mask).combine_chunks())


def _replaced(rows: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)
