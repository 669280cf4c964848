"""Validate landed records again: the way out for records that landed before the rule which they break.

Such a record is quarantined, and its event removed, so that compute_kpis computes the date without it. Its
bytes stay; a correction or a later replay can make it an event again.
"""

from collections import Counter
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties

from shopnow import validation
from shopnow.events import TOPICS, Topic
from shopnow.lake.delta import rewrite, tables
from shopnow.lake.delta.rewrite import RowTransform
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments, quarantine
from shopnow.lake.governance.amendments import Kind, RecordId
from shopnow.schemas import RAW

_VALID = "problem IS NULL"
_IDS_PER_DELETE = 500


class Revalidated(NamedTuple):
    """Number of valid records of a topic that break a rule, by reason."""

    topic: str
    reason: str
    records: int


def revalidate(
    lake: str, topic: str | None, *, why: str, by: str, dry_run: bool = False
) -> list[Revalidated]:
    """Quarantine the valid records that break the current rules, and remove their events.

    Idempotent, also after a run that was killed: the events are removed first, and the next run finds their
    records again. compute_kpis must not run meanwhile.

    Args:
        topic: revalidate only this topic; all by default.
        why, by: reason and author of the amendment.
        dry_run: count the records without changing anything.

    Raises:
        UserError: the topic does not exist, or other writers changed the same files at every attempt.
    """
    outcomes = []
    for name in quarantine.select_topics(topic):
        raw = Table(lake, f"raw/{name}")
        if not raw.exists():
            continue
        change = recheck_valid(TOPICS[name])
        found = rewrite.preview(raw.ensure(RAW), change, _VALID).after
        if found.num_rows and not dry_run:
            _remove_events(Table(lake, f"events/{name}"), amendments.record_ids(found), why, by)
            amendments.amend(
                raw, Kind.REVALIDATION, change, reason=why, by=by, pruning=_VALID, point="revalidate"
            )
        reasons: Counter[str] = validation.count_reasons([found["problem"]])
        outcomes += [Revalidated(name, reason, count) for reason, count in sorted(reasons.items())]
    return outcomes


def recheck_valid(topic: Topic) -> RowTransform:
    """Return the transform of raw that sets `problem` of valid rows that break a rule."""
    decode = topic.decoder().decode

    def change(rows: pa.Table) -> pa.Table:
        mask = pc.is_null(rows["problem"]).combine_chunks()
        valid = rows.filter(mask)
        if not len(valid):
            return rows
        # Only the event itself is checked again: an erased record has no framing any more.
        bodies = pc.coalesce(valid["correction"], valid["payload"], valid["value"]).combine_chunks()
        stamps = pc.fill_null(valid["timestamp"].cast(pa.int64()), -1).to_numpy() // 1000
        checked = validation.check_records(decode, bodies.to_pylist(), bodies, timestamps=stamps)
        if checked.problems is None:
            return rows
        problems = pc.replace_with_mask(
            rows["problem"].combine_chunks(), mask, pa.array(checked.problems, pa.string())
        )
        index = rows.schema.get_field_index("problem")
        return rows.set_column(index, rows.schema.field(index), problems)

    return change


def _remove_events(events: Table, record_ids: list[RecordId], why: str, by: str) -> None:
    if not events.exists():
        return
    # To readers of the events, this is a change like any other: KPIs of the dates are computed again.
    metadata = {"reason": why, "by": by}
    stored = tables.read(events.open(), [f"source_{name}" for name in RecordId._fields])
    present = set(record_ids).intersection(
        map(RecordId, *(stored[f"source_{name}"].to_pylist() for name in RecordId._fields))
    )
    ordered = sorted(present)
    for start in range(0, len(ordered), _IDS_PER_DELETE):
        predicate = " OR ".join(
            f"(source_topic_id = '{topic_id}' AND source_partition = {partition} "
            f"AND source_offset = {offset})"
            for topic_id, partition, offset in ordered[start : start + _IDS_PER_DELETE]
        )
        events.open().delete(predicate, commit_properties=CommitProperties(custom_metadata=metadata))
