"""Every record the generator made, and nothing else under its name, is in Kafka where the ledger says."""

import pyarrow as pa
import pyarrow.compute as pc

from shopnow.audit import records
from shopnow.audit.acknowledged_loss import lost
from shopnow.audit.context import Difference, Evidence, same_records
from shopnow.lake.ingest.data_loss import TRUNCATED

_COLUMNS = [*records.PLACE, "key", "payload_hash", "event_time"]


def check(evidence: Evidence) -> str:
    compared = others = expired = cut = 0
    for name, state in evidence.topics.items():
        evidence.report("verify", f"ledger = topics: {name}")
        rows = evidence.ledger.select(["topic", *_COLUMNS]).filter(pc.field("topic") == name).select(_COLUMNS)
        expired += rows.num_rows
        current = rows.filter(pc.field("topic_id") == state.topic_id)
        if unknown := set(pc.unique(current["partition"]).to_pylist()) - state.partitions.keys():
            raise Difference(f"{name}: partition {min(unknown)} is in the ledger, not in Kafka")
        truncations = [loss for loss in evidence.losses if loss.topic == name and loss.kind == TRUNCATED]
        # A partition at a time: what is known of a million records takes gigabytes.
        for partition, (earliest, _) in state.partitions.items():
            kept = current.filter((pc.field("partition") == partition) & (pc.field("offset") >= earliest))
            in_doubt = lost(kept, truncations)
            certain = kept.filter(pc.invert(in_doubt))
            end = pc.max(certain["offset"]).as_py()
            # The broker shows a transaction's end on one partition sooner than on another: what the ledger tells of is there or on its way.
            range_ = {partition: (earliest, earliest if end is None else end + 1)}
            found, ours = records.of_kafka(evidence.conf, name, state.topic_id, range_)
            told = records.of_ledger(certain)
            if (doubted := records.of_ledger(kept.filter(in_doubt))).num_rows:
                told = pa.concat_tables(
                    [told, doubted.join(found, keys=records.SCHEMA.names, join_type="left semi")]
                )
            same_records(told, found.filter(ours), "the ledger", "Kafka", name)
            compared += told.num_rows
            others += found.num_rows - told.num_rows
            expired -= kept.num_rows
            cut += kept.num_rows - told.num_rows
    detail = f"{compared:,} records of the generator's are the same"
    detail += f"; {others:,} records of others among them" if others else ""
    detail += f"; {cut:,} were cut off, which is acknowledged" if cut else ""
    return detail + (f"; {expired:,} are no longer in Kafka" if expired else "")
