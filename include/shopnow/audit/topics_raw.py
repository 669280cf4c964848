"""Check that raw holds exactly what Kafka still has of the landed ranges, byte for byte."""

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from shopnow.audit import digests, records
from shopnow.audit.context import Difference, Evidence, require_same_records
from shopnow.broker.reader import Ranges
from shopnow.broker.topic_state import TopicState
from shopnow.lake.delta import commit_metadata
from shopnow.lake.delta.checksum import EMPTY, Digest
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance.amendments import AMENDMENTS, ErasedRecord, RecordId
from shopnow.lake.ingest import offsets, receipts
from shopnow.lake.maintenance import retention

OffsetSpan = tuple[str, int, int, int]
"""Offsets `[start, end)` of a partition in raw under one topic id: topic id, partition, start, end."""


def check(evidence: Evidence) -> str:
    compared = redacted = compacted = 0
    for name, state in evidence.topics.items():
        if f"raw/{name}" not in evidence.raw:
            continue
        evidence.report("verify", f"topics = raw: {name}")
        raw = evidence.raw[f"raw/{name}"]
        ranges = _landed_ranges(evidence.lake, name, raw, state)
        spans = _spans(evidence.lake, name, raw, state, ranges)
        in_kafka = digests.kafka_digests(evidence.conf, name, ranges)
        in_raw = dict.fromkeys(ranges, EMPTY)
        for topic_id in {span[0] for span in spans}:
            of_topic_id = {partition: (start, end) for id_, partition, start, end in spans if id_ == topic_id}
            for partition, digest in digests.raw_digests(raw, topic_id, of_topic_id).items():
                in_raw[partition] += digest
        erased = _erased(evidence.lake, f"raw/{name}", raw, spans)
        for record in erased:
            in_raw[record.record_id.partition] += record.removed - record.added
        for partition, (start, end) in ranges.items():
            if in_kafka[partition] != in_raw[partition]:
                kafka, _ = records.read_kafka(evidence.conf, name, state.topic_id, {partition: (start, end)})
                rows = [records.read_raw(raw, *span) for span in spans if span[1] == partition]
                erased_offsets = [
                    record.record_id.offset for record in erased if record.record_id.partition == partition
                ]
                expected = _mask_content(kafka, erased_offsets)
                actual = _mask_content(_with_topic_id(state.topic_id, rows), erased_offsets)
                if name in evidence.compacted:
                    kept = actual.filter(pc.is_in(actual["offset"], expected["offset"]))
                    compacted += actual.num_rows - kept.num_rows
                    actual = kept
                require_same_records(expected, actual, "Kafka", "raw", name)
                if name not in evidence.compacted:
                    raise Difference(
                        f"{name}: partition {partition}: a record differs from what the erasure wrote"
                    )
            compared += in_raw[partition].rows
            redacted += len(
                {record.record_id for record in erased if record.record_id.partition == partition}
            )
    return (
        f"{compared - compacted:,} records are the same"
        + (f", except for personal data erased from {redacted:,} of them" if redacted else "")
        + (f"; {compacted:,} are in raw only, as Kafka has compacted their topic" if compacted else "")
    )


def _landed_ranges(lake: str, name: str, raw: DeltaTable, state: TopicState) -> Ranges:
    """Return the landed offsets that Kafka still has, without those that retention removed from raw."""
    topic_id = offsets.current_id(raw, state.topic_id)
    expired = retention.expired_offsets(Table(lake, f"raw/{name}"), raw.version())
    ranges = {}
    for partition, (earliest, _) in state.partitions.items():
        end = offsets.position(raw, topic_id, partition)
        if end is not None:
            ranges[partition] = (max(earliest, min(expired.get((topic_id, partition), 0), end)), end)
    return ranges


def _spans(lake: str, name: str, raw: DeltaTable, state: TopicState, landed: Ranges) -> list[OffsetSpan]:
    """Locate the ranges in raw: under several topic ids only if the end of the topic was truncated."""
    ids = offsets.ids(raw, state.topic_id)
    if len(ids) == 1:
        return [(ids[0], partition, *range_) for partition, range_ in landed.items()]
    starts: dict[tuple[str, int], int] = {}
    for receipt in receipts.read(Table(lake, f"raw/{name}"), raw.version()).to_pylist():
        starts.setdefault((receipt["topic_id"], receipt["partition"]), receipt["start_offset"])
    spans: list[OffsetSpan] = []
    for partition, (start, end) in landed.items():
        # The newest id comes first: where ids overlap, its records are the current ones.
        for topic_id in ids:
            since = min(max(starts.get((topic_id, partition), end), start), end)
            spans.append((topic_id, partition, since, end))
            end = since
    return spans


def _erased(lake: str, name: str, raw: DeltaTable, spans: list[OffsetSpan]) -> list[ErasedRecord]:
    """Return the records of these spans from which personal data was erased; Kafka still has the original."""
    erased = []
    for row in commit_metadata.read(Table(lake, name), AMENDMENTS, raw.version()).to_pylist():
        for entry in row["erased"] or ():
            record_id = RecordId(row["topic_id"], row["partition"], entry["offset"])
            if any(record_id[:2] == span[:2] and span[2] <= record_id.offset < span[3] for span in spans):
                removed, added = (Digest.parse(1, entry[name]) for name in ("digest_removed", "digest_added"))
                erased.append(ErasedRecord(record_id, removed, added))
    return erased


def _mask_content(rows: pa.Table, offsets: list[int]) -> pa.Table:
    """Return the rows with empty key and payload at these offsets."""
    is_masked = pc.is_in(rows["offset"], pa.array(offsets, pa.int64()))
    for name in ("key", "payload"):
        rows = rows.set_column(rows.schema.get_field_index(name), name, pc.if_else(is_masked, "", rows[name]))
    return rows


def _with_topic_id(topic_id: str, rows: list[pa.Table]) -> pa.Table:
    """Return the rows with their topic id replaced."""
    table = pa.concat_tables([records.SCHEMA.empty_table(), *rows])
    return table.set_column(0, "topic_id", pa.repeat(pa.scalar(topic_id), table.num_rows))
