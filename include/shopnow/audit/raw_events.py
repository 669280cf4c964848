"""Check that every raw row is an event, quarantined or a duplicate, and that every event is a raw row."""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from shopnow.audit import records
from shopnow.audit.context import Difference, Evidence, describe_first_record, open_raw_source
from shopnow.events import TOPICS, Event
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest.data_loss import DAMAGED, Loss
from shopnow.lake.maintenance import retention
from shopnow.schemas import PAYLOADS
from shopnow.validation import read_valid

_DECODED = pa.schema(
    [
        *(records.SCHEMA.field(name) for name in records.RECORD_ID),
        pa.field("event_id", pa.string()),
        pa.field("event_type", pa.string()),
        pa.field("event_time", pa.timestamp("us", tz="UTC")),
    ]
)


def check(evidence: Evidence) -> str:
    valid = quarantined = duplicates = 0
    for name, events in evidence.events.items():
        topic = TOPICS[name.removeprefix("events/")]
        evidence.report("verify", f"raw = events: {topic.name}")
        raw = open_raw_source(evidence.lake, events, name)
        if raw is None:
            continue
        expected, invalid = _decode(raw, topic.decoder().decode)
        columns = [*records.SOURCE_RECORD_ID, "event_id", "event_type", "event_time"]
        actual = tables.read(events, columns).rename_columns(expected.column_names).cast(expected.schema)
        missing = records.anti_join(expected, actual)
        lost = missing.filter(pc.invert(pc.is_in(missing["event_id"], actual["event_id"])))
        if lost.num_rows:
            raise Difference(
                f"{topic.name}: {describe_first_record(lost)} is in raw, but not in events "
                f"({lost.num_rows} in all)"
            )
        expired = retention.expired_offsets(Table(evidence.lake, f"raw/{topic.name}"), raw.version())
        kept = _without_damaged(_without_expired(actual, expired), evidence.losses)
        extra = records.anti_join(kept, expected)
        if extra.num_rows:
            raise Difference(
                f"{topic.name}: {describe_first_record(extra)} is in events, but differs in raw "
                f"({extra.num_rows} in all)"
            )
        if pc.count_distinct(actual["event_id"]).as_py() != actual.num_rows:
            raise Difference(f"{topic.name}: events has a duplicate event_id")
        valid += actual.num_rows
        quarantined += invalid
        duplicates += missing.num_rows
    return f"{valid:,} events, {quarantined:,} records in quarantine, {duplicates:,} duplicates"


def _without_expired(events: pa.Table, expired: dict[tuple[str, int], int]) -> pa.Table:
    """Return the events whose raw rows were not removed by retention."""
    is_expired = pa.repeat(False, events.num_rows)
    for (topic_id, partition), below in expired.items():
        of_partition = pc.and_(
            pc.equal(events["topic_id"], topic_id), pc.equal(events["partition"], partition)
        )
        is_expired = pc.or_(is_expired, pc.and_(of_partition, pc.less(events["offset"], below)))
    return events.filter(pc.invert(is_expired))


def _without_damaged(events: pa.Table, losses: Sequence[Loss]) -> pa.Table:
    """Return the events whose raw rows were not lost to damage of the lake."""
    for loss in losses:
        if loss.kind == DAMAGED:
            is_lost = pc.and_(
                pc.and_(
                    pc.equal(events["topic_id"], loss.topic_id), pc.equal(events["partition"], loss.partition)
                ),
                pc.and_(
                    pc.greater_equal(events["offset"], loss.start_offset),
                    pc.less(events["offset"], loss.end_offset),
                ),
            )
            events = events.filter(pc.invert(is_lost))
    return events


def _decode(raw: DeltaTable, decode: Callable) -> tuple[pa.Table, int]:
    """Decode the valid records with our own decoder; also return the number of invalid records."""
    invalid = 0
    parts: list[pa.Table] = [_DECODED.empty_table()]
    # A raw table of an older version lacks some of the columns.
    names = [name for name in PAYLOADS if name in raw.schema().to_arrow().names]
    for batch in tables.batches(raw, [*records.RECORD_ID, *names, "problem"]):
        valid = batch.filter(pc.is_null(batch["problem"]))
        invalid += batch.num_rows - valid.num_rows
        payloads = pc.coalesce(*(valid[name] for name in names)).to_pylist()
        events = [_read(decode, payload, valid, row) for row, payload in enumerate(payloads)]
        ids, times = [event.event_id for event in events], [event.event_time for event in events]
        types = [type(event).__struct_config__.tag for event in events]
        columns = [
            *(valid[column] for column in records.RECORD_ID),
            ids,
            types,
            pa.array(times, _DECODED.field("event_time").type),
        ]
        parts.append(pa.table(columns, names=_DECODED.names).cast(_DECODED))
    return pa.concat_tables(parts), invalid


def _read(decode: Callable, payload: bytes, valid: pa.RecordBatch, row: int) -> Event:
    try:
        return read_valid(decode, payload)
    except Exception as error:  # whatever its bytes cause, the check names the record
        record = f"partition {valid['partition'][row]} offset {valid['offset'][row]}"
        raise Difference(
            f"{record} landed before a rule that it breaks ({error}): run ./shopnow quarantine revalidate"
        ) from None
