"""Every raw row is an event, or in quarantine, or a duplicate of an event; and every event is a raw row."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from shopnow.audit import records
from shopnow.audit.context import Difference, Evidence, first_place, raw_behind
from shopnow.events import TOPICS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.maintenance import retention

_DECODED = pa.schema(
    [
        *(records.SCHEMA.field(name) for name in records.PLACE),
        pa.field("event_id", pa.string()),
        pa.field("event_type", pa.string()),
        pa.field("event_time", pa.timestamp("us", tz="UTC")),
    ]
)


def check(evidence: Evidence) -> str:
    good = quarantined = duplicates = 0
    for name, events in evidence.events.items():
        topic = TOPICS[name.removeprefix("events/")]
        evidence.report("verify", f"raw = events: {topic.name}")
        raw = raw_behind(evidence.lake, events, name)
        if raw is None:
            continue
        wanted, bad = _decoded(raw, topic.decoder().decode)
        columns = [*records.SOURCE_PLACE, "event_id", "event_type", "event_time"]
        found = tables.read(events, columns).rename_columns(wanted.column_names).cast(wanted.schema)
        missing = records.without(wanted, found)
        lost = missing.filter(pc.invert(pc.is_in(missing["event_id"], found["event_id"])))
        if lost.num_rows:
            raise Difference(
                f"{topic.name}: {first_place(lost)} is in raw, not in events ({lost.num_rows} such)"
            )
        kept = _kept(found, retention.expired(Table(evidence.lake, f"raw/{topic.name}"), raw.version()))
        extra = records.without(kept, wanted)
        if extra.num_rows:
            raise Difference(
                f"{topic.name}: {first_place(extra)} is in events, not so in raw ({extra.num_rows} such)"
            )
        if pc.count_distinct(found["event_id"]).as_py() != found.num_rows:
            raise Difference(f"{topic.name}: an event_id is in events twice")
        good, quarantined, duplicates = (
            good + found.num_rows,
            quarantined + bad,
            duplicates + missing.num_rows,
        )
    return f"{good:,} events, {quarantined:,} records in quarantine, {duplicates:,} duplicates"


def _kept(events: pa.Table, expired: dict[tuple[str, int], int]) -> pa.Table:
    """The events whose raw rows were not removed by retention."""
    gone = pa.repeat(False, events.num_rows)
    for (topic_id, partition), below in expired.items():
        of_partition = pc.and_(
            pc.equal(events["topic_id"], topic_id), pc.equal(events["partition"], partition)
        )
        gone = pc.or_(gone, pc.and_(of_partition, pc.less(events["offset"], below)))
    return events.filter(pc.invert(gone))


def _decoded(raw: DeltaTable, decode: Callable) -> tuple[pa.Table, int]:
    """Place, id, type and time of each valid record, by our own decoder; and the number of those that are not valid."""
    bad = 0
    parts: list[pa.Table] = [_DECODED.empty_table()]
    # In a table that has no such column nothing was ever corrected.
    payload = [name for name in ("correction", "value") if name in raw.schema().to_arrow().names]
    for batch in tables.batches(raw, [*records.PLACE, *payload, "problem"]):
        good = batch.filter(pc.is_null(batch["problem"]))
        bad += batch.num_rows - good.num_rows
        events = [decode(value) for value in pc.coalesce(*(good[name] for name in payload)).to_pylist()]
        ids, times = [event.event_id for event in events], [event.event_time for event in events]
        types = [type(event).__struct_config__.tag for event in events]
        columns = [
            *(good[column] for column in records.PLACE),
            ids,
            types,
            pa.array(times, _DECODED.field("event_time").type),
        ]
        parts.append(pa.table(columns, names=_DECODED.names).cast(_DECODED))
    return pa.concat_tables(parts), bad
