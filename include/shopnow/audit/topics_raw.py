"""What Kafka holds of the landed ranges is in raw, byte for byte, and nothing else is."""

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from shopnow.audit import digests, records
from shopnow.audit.context import Difference, Evidence, same_records
from shopnow.broker.reader import Ranges
from shopnow.broker.topics import TopicState
from shopnow.lake.delta import commit_metadata
from shopnow.lake.delta.checksum import NOTHING, Digest
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance.amendments import AMENDMENTS, Erased, RecordId
from shopnow.lake.ingest import offsets, receipts
from shopnow.lake.maintenance import retention

Stretch = tuple[str, int, int, int]
"""Offsets of a partition that are in raw under a topic id: topic id, partition, first offset, the one after the last."""


def check(evidence: Evidence) -> str:
    compared = personal = 0
    for name, state in evidence.topics.items():
        if f"raw/{name}" not in evidence.raw:
            continue
        evidence.report("verify", f"topics = raw: {name}")
        raw = evidence.raw[f"raw/{name}"]
        ranges = _landed(evidence.lake, name, raw, state)
        stretches = _stretches(evidence.lake, name, raw, state, ranges)
        in_kafka = digests.kafka_digests(evidence.conf, name, ranges)
        in_raw = dict.fromkeys(ranges, NOTHING)
        for topic_id in {stretch[0] for stretch in stretches}:
            mine = {partition: (start, end) for id_, partition, start, end in stretches if id_ == topic_id}
            for partition, digest in digests.raw_digests(raw, topic_id, mine).items():
                in_raw[partition] += digest
        erased = _erased(evidence.lake, f"raw/{name}", raw, stretches)
        for each in erased:
            in_raw[each.place.partition] += each.removed - each.added
        for partition, (start, end) in ranges.items():
            if in_kafka[partition] != in_raw[partition]:
                kafka, _ = records.of_kafka(evidence.conf, name, state.topic_id, {partition: (start, end)})
                rows = [records.of_raw(raw, *stretch) for stretch in stretches if stretch[1] == partition]
                gone = [each.place.offset for each in erased if each.place.partition == partition]
                same_records(
                    _blanked(kafka, gone), _blanked(_under(state.topic_id, rows), gone), "Kafka", "raw", name
                )
                raise Difference(
                    f"{name}: partition {partition}: a record is not what an erasure of personal data left of it"
                )
            compared += in_raw[partition].rows
            personal += len({each.place for each in erased if each.place.partition == partition})
    return f"{compared:,} records are the same" + (
        f", but for personal data erased from {personal:,} of them" if personal else ""
    )


def _landed(lake: str, name: str, raw: DeltaTable, state: TopicState) -> Ranges:
    """What Kafka still has of what was landed, but for what retention removed from raw."""
    topic_id = offsets.current_id(raw, state.topic_id)
    expired = retention.expired(Table(lake, f"raw/{name}"), raw.version())
    ranges = {}
    for partition, (earliest, _) in state.partitions.items():
        end = offsets.position(raw, topic_id, partition)
        if end is not None:
            ranges[partition] = (max(earliest, min(expired.get((topic_id, partition), 0), end)), end)
    return ranges


def _stretches(lake: str, name: str, raw: DeltaTable, state: TopicState, landed: Ranges) -> list[Stretch]:
    """Where raw has that: under more than one id only for a topic whose end was cut off."""
    ids = offsets.ids(raw, state.topic_id)
    if len(ids) == 1:
        return [(ids[0], partition, *range_) for partition, range_ in landed.items()]
    starts: dict[tuple[str, int], int] = {}
    for receipt in receipts.receipts(lake, name, raw.version()).to_pylist():
        starts.setdefault((receipt["topic_id"], receipt["partition"]), receipt["start_offset"])
    found: list[Stretch] = []
    for partition, (start, end) in landed.items():
        for topic_id in ids:  # the latest first: it has the last word on the offsets it has
            since = min(max(starts.get((topic_id, partition), end), start), end)
            found.append((topic_id, partition, since, end))
            end = since
    return found


def _erased(lake: str, name: str, raw: DeltaTable, stretches: list[Stretch]) -> list[Erased]:
    """What was erased of these records since they landed: Kafka still has it."""
    found = []
    for row in commit_metadata.read(lake, AMENDMENTS, name, raw.version()).to_pylist():
        for each in row["erased"] or ():
            place = RecordId(row["topic_id"], row["partition"], each["offset"])
            if any(
                place[:2] == stretch[:2] and stretch[2] <= place.offset < stretch[3] for stretch in stretches
            ):
                found.append(
                    Erased(
                        place, Digest.parse(1, each["digest_removed"]), Digest.parse(1, each["digest_added"])
                    )
                )
    return found


def _blanked(rows: pa.Table, offsets: list[int]) -> pa.Table:
    """The rows with nothing but the place of those at these offsets."""
    at_them = pc.is_in(rows["offset"], pa.array(offsets, pa.int64()))
    for name in ("key", "payload"):
        rows = rows.set_column(rows.schema.get_field_index(name), name, pc.if_else(at_them, "", rows[name]))
    return rows


def _under(topic_id: str, rows: list[pa.Table]) -> pa.Table:
    """The rows as if they were all of one topic id."""
    table = pa.concat_tables([records.SCHEMA.empty_table(), *rows])
    return table.set_column(0, "topic_id", pa.repeat(pa.scalar(topic_id), table.num_rows))
