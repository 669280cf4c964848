"""Each partition's receipts follow each other, but for acknowledged losses, and their digests add up to that of its rows."""

from typing import Any

from shopnow.audit import digests
from shopnow.audit.context import Difference, Evidence
from shopnow.lake.delta import commit_metadata
from shopnow.lake.delta.checksum import NOTHING, Digest
from shopnow.lake.governance.amendments import AMENDMENTS, Kind
from shopnow.lake.ingest import receipts


def check(evidence: Evidence) -> str:
    count = amended = 0
    gaps = {(loss.topic_id, loss.partition, loss.start_offset, loss.end_offset) for loss in evidence.losses}
    for name, raw in evidence.raw.items():
        evidence.report("verify", f"raw = receipts: {name}")
        topic = name.removeprefix("raw/")
        told: dict[str, dict[int, Digest]] = {}
        ends: dict[tuple[str, int], int] = {}
        for receipt in receipts.receipts(evidence.lake, topic, raw.version()).to_pylist():
            topic_id, partition, start = receipt["topic_id"], receipt["partition"], receipt["start_offset"]
            end = ends.setdefault((topic_id, partition), start)
            if end != start and (topic_id, partition, end, start) not in gaps:
                raise Difference(
                    f"{topic} partition {partition}: no receipt for offsets {end} to {start - 1}"
                )
            ends[topic_id, partition] = receipt["end_offset"]
            parts = told.setdefault(topic_id, {})
            parts[partition] = parts.get(partition, NOTHING) + Digest.parse(
                receipt["rows"], receipt["digest"]
            )
            count += 1
        amended += _amend(
            told, commit_metadata.read(evidence.lake, AMENDMENTS, name, raw.version()).to_pylist()
        )
        for topic_id, parts in told.items():
            found = digests.raw_digests(raw, topic_id)
            for partition, digest in parts.items():
                if found.get(partition, NOTHING) != digest:
                    rows = found.get(partition, NOTHING).rows
                    raise Difference(
                        f"{topic} partition {partition}: {rows:,} rows in raw are not the {digest.rows:,} of the receipts"
                    )
        if raw.count() != sum(digest.rows for parts in told.values() for digest in parts.values()):
            raise Difference(f"{topic}: there are rows in raw without a receipt")
    amendments = f", but for {amended:,} rows that were erased or have expired" if amended else ""
    losses = f"; {len(evidence.losses)} acknowledged losses between them" if evidence.losses else ""
    return f"{count:,} receipts without a gap, their digests those of the rows{amendments}{losses}"


def _amend(told: dict[str, dict[int, Digest]], amendments: list[dict[str, Any]]) -> int:
    """Works into the digests what was changed on record since landing; gives how many rows it took away or changed."""
    for each in amendments:
        parts = told[each["topic_id"]]
        removed = Digest.parse(each["rows_removed"], each["digest_removed"])
        parts[each["partition"]] += Digest.parse(each["rows_added"], each["digest_added"]) - removed
    return sum(each["rows_removed"] for each in amendments if each["kind"] != Kind.REPLAY)
