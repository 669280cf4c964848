"""Check that receipts have no gaps but acknowledged losses, and that their digests match the rows."""

from collections import Counter
from typing import Any

from shopnow.audit import digests
from shopnow.audit.context import Difference, Evidence
from shopnow.lake.delta import commit_metadata
from shopnow.lake.delta.checksum import EMPTY, Digest
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance.amendments import AMENDMENTS, Kind
from shopnow.lake.ingest import receipts


def check(evidence: Evidence) -> str:
    count = amended = 0
    possibly_lost: Counter[str] = Counter()
    gaps = {(loss.topic_id, loss.partition, loss.start_offset, loss.end_offset) for loss in evidence.losses}
    for name, raw in evidence.raw.items():
        evidence.report("verify", f"raw = receipts: {name}")
        topic = name.removeprefix("raw/")
        expected: dict[str, dict[int, Digest]] = {}
        ends: dict[tuple[str, int], int] = {}
        for receipt in receipts.read(Table(evidence.lake, name), raw.version()).to_pylist():
            topic_id, partition, start = receipt["topic_id"], receipt["partition"], receipt["start_offset"]
            end = ends.setdefault((topic_id, partition), start)
            if end != start and (topic_id, partition, end, start) not in gaps:
                raise Difference(
                    f"{topic} partition {partition}: no receipt for offsets {end} to {start - 1}"
                )
            ends[topic_id, partition] = receipt["end_offset"]
            parts = expected.setdefault(topic_id, {})
            parts[partition] = parts.get(partition, EMPTY) + Digest.parse(receipt["rows"], receipt["digest"])
            possibly_lost[topic] += receipt["possibly_lost"] or 0
            count += 1
        amendments = commit_metadata.read(Table(evidence.lake, name), AMENDMENTS, raw.version())
        amended += _apply_amendments(expected, amendments.to_pylist())
        for topic_id, parts in expected.items():
            actual = digests.raw_digests(raw, topic_id)
            for partition, digest in parts.items():
                if actual.get(partition, EMPTY) != digest:
                    rows = actual.get(partition, EMPTY).rows
                    raise Difference(
                        f"{topic} partition {partition}: {rows:,} rows in raw differ from the "
                        f"{digest.rows:,} of the receipts"
                    )
        if raw.count() != sum(digest.rows for parts in expected.values() for digest in parts.values()):
            raise Difference(f"{topic}: raw has rows without a receipt")
    exceptions = f", except for {amended:,} rows that were erased or have expired" if amended else ""
    losses = f"; {len(evidence.losses)} acknowledged losses between them" if evidence.losses else ""
    compacted = "".join(
        f"; {topic} is compacted: up to {lost:,} of its records may be lost, removed before they landed"
        for topic, lost in possibly_lost.items()
        if lost
    )
    detail = f"{count:,} receipts without a gap, their digests equal those of the rows"
    return detail + exceptions + losses + compacted


_KEEPING = {Kind.REPLAY, Kind.REVALIDATION}
"""Amendments that keep all bytes."""


def _apply_amendments(expected: dict[str, dict[int, Digest]], amendments: list[dict[str, Any]]) -> int:
    """Apply the recorded amendments to the digests; return how many rows they removed or changed."""
    for amendment in amendments:
        parts = expected[amendment["topic_id"]]
        removed = Digest.parse(amendment["rows_removed"], amendment["digest_removed"])
        added = Digest.parse(amendment["rows_added"], amendment["digest_added"])
        parts[amendment["partition"]] += added - removed
    return sum(amendment["rows_removed"] for amendment in amendments if amendment["kind"] not in _KEEPING)
