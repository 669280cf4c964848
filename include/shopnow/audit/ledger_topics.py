"""Every record the generator made, and nothing else under its name, is in Kafka where the ledger says."""

import pyarrow as pa
import pyarrow.compute as pc

from shopnow.audit import records
from shopnow.audit.comparing import Evidence, same_records
from shopnow.audit.lost import lost
from shopnow.lake.losses import TRUNCATED


def check(evidence: Evidence) -> str:
    compared = others = expired = cut = 0
    for name, state in evidence.topics.items():
        evidence.report("verify", f"ledger = topics: {name}")
        rows = evidence.ledger.filter(pc.field("topic") == name)
        current = rows.filter(pc.field("topic_id") == state.topic_id)
        kept = _from(current, {partition: earliest for partition, (earliest, _) in state.partitions.items()})
        in_doubt = lost(kept, [loss for loss in evidence.losses if loss.topic == name and loss.kind == TRUNCATED])
        bounds = _bounds(kept.filter(pc.invert(in_doubt)))
        ranges = {partition: (earliest, bounds.get(partition, earliest)) for partition, (earliest, _) in state.partitions.items()}
        # The broker shows a transaction's end on one partition sooner than on another: what the ledger tells of is there or on its way.
        found, ours = records.of_kafka(evidence.conf, name, state.topic_id, ranges)
        told = records.of_ledger(kept.filter(pc.invert(in_doubt)))
        if (doubted := records.of_ledger(kept.filter(in_doubt))).num_rows:
            told = pa.concat_tables([told, doubted.join(found, keys=records.SCHEMA.names, join_type="left semi")])
        same_records(told, found.filter(ours), "the ledger", "Kafka", name)
        compared += told.num_rows
        others += found.num_rows - told.num_rows
        expired += rows.num_rows - kept.num_rows
        cut += kept.num_rows - told.num_rows
    detail = f"{compared:,} records of the generator's are the same"
    detail += f"; {others:,} records of others among them" if others else ""
    detail += f"; {cut:,} were cut off, which is acknowledged" if cut else ""
    return detail + (f"; {expired:,} are no longer in Kafka" if expired else "")


def _bounds(rows: pa.Table) -> dict[int, int]:
    """By partition, the offset after the last row's."""
    ends = rows.group_by("partition").aggregate([("offset", "max")]).to_pylist()
    return {each["partition"]: each["offset_max"] + 1 for each in ends}


def _from(rows: pa.Table, first: dict[int, int]) -> pa.Table:
    """The rows at or after the first offset of their partition."""
    places = zip(rows["partition"].to_pylist(), rows["offset"].to_pylist(), strict=True)
    return rows.filter(pa.array([offset >= first.get(partition, 0) for partition, offset in places], pa.bool_()))
