"""Check that Kafka holds the generator's records that the ledger names, once, at the offsets it names.

The ledger alone says which records are the generator's. The header that it sends only distinguishes a record
which it would have sent twice from one that another producer has read and sent again.
"""

import pyarrow as pa
import pyarrow.compute as pc

from shopnow.audit import records
from shopnow.audit.acknowledged_loss import may_be_lost
from shopnow.audit.context import Difference, Evidence, describe_first_record, require_same_records
from shopnow.lake.ingest.data_loss import TRUNCATED

_COLUMNS = [*records.RECORD_ID, "key", "payload_hash", "event_time"]


def check(evidence: Evidence) -> str:
    compared = foreign = expired = truncated = compacted = 0
    for name, state in evidence.topics.items():
        evidence.report("verify", f"ledger = topics: {name}")
        rows = evidence.ledger.select(["topic", *_COLUMNS]).filter(pc.field("topic") == name).select(_COLUMNS)
        expired += rows.num_rows
        current = rows.filter(pc.field("topic_id") == state.topic_id)
        if unknown := set(pc.unique(current["partition"]).to_pylist()) - state.partitions.keys():
            raise Difference(f"{name}: partition {min(unknown)} is in the ledger, not in Kafka")
        truncations = [loss for loss in evidence.losses if loss.topic == name and loss.kind == TRUNCATED]
        # One partition at a time, as a million records take gigabytes.
        for partition, (earliest, _) in state.partitions.items():
            kept = current.filter((pc.field("partition") == partition) & (pc.field("offset") >= earliest))
            is_uncertain = may_be_lost(kept, truncations)
            certain = kept.filter(pc.invert(is_uncertain))
            end = pc.max(certain["offset"]).as_py()
            # Kafka shows the end of a transaction on some partitions before others, so reading waits for the
            # offsets that the ledger names.
            range_ = {partition: (earliest, earliest if end is None else end + 1)}
            in_kafka, has_header = records.read_kafka(evidence.conf, name, state.topic_id, range_)
            expected = records.from_ledger(certain)
            uncertain = records.from_ledger(kept.filter(is_uncertain))
            if name in evidence.compacted:
                uncertain, expected = records.from_ledger(kept), expected.slice(0, 0)
            if uncertain.num_rows:
                survivors = uncertain.join(in_kafka, keys=records.SCHEMA.names, join_type="left semi")
                expected = pa.concat_tables([expected, survivors])
            named = in_kafka.join(
                expected.select(records.RECORD_ID), keys=records.RECORD_ID, join_type="left semi"
            )
            require_same_records(expected, named, "the ledger", "Kafka", name)
            _require_no_copies(name, in_kafka.filter(has_header), expected, current)
            compared += expected.num_rows
            foreign += in_kafka.num_rows - expected.num_rows
            expired -= kept.num_rows
            if name in evidence.compacted:
                compacted += kept.num_rows - expected.num_rows
            else:
                truncated += kept.num_rows - expected.num_rows
    detail = f"{compared:,} records of the generator are the same"
    detail += f"; {foreign:,} records of other producers among them" if foreign else ""
    detail += f"; {truncated:,} were truncated, which is acknowledged" if truncated else ""
    detail += f"; {compacted:,} were removed by compaction" if compacted else ""
    return detail + (f"; {expired:,} are no longer in Kafka" if expired else "")


def _require_no_copies(topic: str, marked: pa.Table, expected: pa.Table, ledger: pa.Table) -> None:
    """Raise Difference if a record of the generator is in Kafka a second time, at an offset of no ledger row.

    Args:
        topic: name of the topic.
        marked: records of one partition with the generator's header.
        expected: records of that partition in the ledger.
        ledger: ledger rows of the whole topic.
    """
    others = records.anti_join(marked, expected)
    if not others.num_rows:
        return
    content = ["key", "payload"]
    copies = others.join(records.from_ledger(ledger).select(content), keys=content, join_type="left semi")
    if copies.num_rows:
        raise Difference(
            f"{topic}: {describe_first_record(copies)} is a copy of a record of the ledger, which does not "
            f"name it ({copies.num_rows} in all)"
        )
