"""Check that the events tables hold every landed event of the generator, with the same totals to the cent.

An event sent twice counts once; one malformed on purpose does not count unless an operator has corrected it.
"""

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from shopnow.audit import records, totals
from shopnow.audit.acknowledged_loss import may_be_lost
from shopnow.audit.context import (
    Difference,
    Evidence,
    describe_first_record,
    open_raw_source,
    require_same_totals,
)
from shopnow.events import TOPICS
from shopnow.lake.delta import tables
from shopnow.lake.ingest import offsets
from shopnow.traffic import ledger_totals
from shopnow.traffic.faults import MALFORMED

_WITH_TOTALS = {"orders", "payments", "stock"}
"""Topics whose events enter the compared totals; of the others only the ids are compared."""


def check(evidence: Evidence) -> str:
    expected_totals = ledger_totals.from_rows([])
    events_by_topic: dict[str, pa.Table] = {}
    topics = compared = lost = malformed = 0
    for name, events in evidence.events.items():
        topic = name.removeprefix("events/")
        evidence.report("verify", f"ledger = events: {topic}")
        raw = open_raw_source(evidence.lake, events, name)
        if raw is None:
            continue
        topics += 1
        rows = _numbered(_landed(evidence.ledger.filter(pc.field("topic") == topic), raw), "ledger_row")
        identity = [*records.SOURCE_RECORD_ID, "event_id"]
        table = _numbered(
            _with_kafka_topic_ids(tables.read(events, None if topic in _WITH_TOTALS else identity)), "row"
        )
        pairs = _pairs(
            table.select([*identity, "row"]), rows.select([*records.RECORD_ID, "event_id", "ledger_row"])
        )
        is_malformed = pc.is_in(rows["fault"], pa.array(MALFORMED))
        malformed += _check_malformed(rows.filter(is_malformed), pairs, raw, topic)
        rows = rows.filter(pc.invert(is_malformed))
        pairs = pairs.filter(pc.is_in(pairs["ledger_row"], rows["ledger_row"]))
        missing = rows.filter(pc.invert(pc.is_in(rows["event_id"], table["event_id"].take(pairs["row"]))))
        losses = [loss for loss in evidence.losses if loss.topic == topic]
        acknowledged = pc.sum(may_be_lost(missing, losses)).as_py() or 0
        if acknowledged != missing.num_rows:
            expected = rows.num_rows - acknowledged
            raise Difference(
                f"{topic}: {expected:,} events in the ledger, {pairs.num_rows:,} of them in events"
            )
        lost += acknowledged
        matched = rows.filter(pc.is_in(rows["ledger_row"], pairs["ledger_row"]))
        expected_totals.add(ledger_totals.from_rows([_without_faults(matched)]))
        compared += pairs.num_rows
        if topic in _WITH_TOTALS:
            events_by_topic[topic] = table.take(pairs["row"])
    if topics != len(TOPICS):
        return "no events yet"
    sales = totals.sales_from_ledger(expected_totals)
    actual_sales = totals.sales_from_events(events_by_topic["orders"], events_by_topic["payments"])
    require_same_totals(sales, actual_sales, "the ledger", "events")
    changes = (
        events_by_topic["stock"].group_by("product_id").aggregate([("quantity_change", "sum")]).to_pylist()
    )
    stock = totals.stock({row["product_id"]: row["quantity_change_sum"] for row in changes})
    require_same_totals(totals.stock(expected_totals.stock_changes), stock, "the ledger", "events")
    notes = f"; {lost:,} more are acknowledged as lost" if lost else ""
    notes += f"; {malformed:,} were malformed on purpose" if malformed else ""
    revenue = int(sales["net_revenue_cents"].sum()) / 100
    orders = f"{expected_totals.orders:,} orders, net revenue {revenue:,.2f}"
    return f"{compared:,} events; {orders}, the same to the cent{notes}"


def _landed(rows: pa.Table, raw: DeltaTable) -> pa.Table:
    """Return the ledger's rows of one topic below the raw table's positions."""
    partitions = list(zip(rows["topic_id"].to_pylist(), rows["partition"].to_pylist(), strict=True))
    ends = {
        (topic_id, partition): offsets.position(raw, offsets.current_id(raw, topic_id), partition) or 0
        for topic_id, partition in set(partitions)
    }
    is_landed = [
        offset < ends[key] for key, offset in zip(partitions, rows["offset"].to_pylist(), strict=True)
    ]
    return rows.filter(pa.array(is_landed, pa.bool_()))


def _pairs(events: pa.Table, rows: pa.Table) -> pa.Table:
    """Match events with their ledger rows; return the row numbers as `row` and `ledger_row`."""
    matches = [pa.table({"row": pa.array([], pa.int64()), "ledger_row": pa.array([], pa.int64())})]
    # One partition at a time, as joining a million rows takes gigabytes.
    for partition in pc.unique(rows["partition"]).to_pylist():
        # By event_id too, as Kafka reuses offsets after it lost the end of a partition.
        pairs = events.filter(pc.field("source_partition") == partition).join(
            rows.filter(pc.field("partition") == partition),
            keys=[*records.SOURCE_RECORD_ID, "event_id"],
            right_keys=[*records.RECORD_ID, "event_id"],
            join_type="inner",
        )
        matches.append(pairs.select(["row", "ledger_row"]))
    return pa.concat_tables(matches)


def _check_malformed(rows: pa.Table, pairs: pa.Table, raw: DeltaTable, topic: str) -> int:
    """Return the number of records malformed on purpose, of which none may have become an event by itself.

    Raises:
        Difference: one has become an event without a correction.
    """
    accepted = rows.filter(pc.is_in(rows["ledger_row"], pairs["ledger_row"]))
    # A raw table of an older version has no column `correction`, and no corrected record.
    if accepted.num_rows and "correction" in raw.schema().to_arrow().names:
        corrected = tables.read(raw, records.RECORD_ID, "correction IS NOT NULL")
        accepted = accepted.select(records.RECORD_ID).join(
            corrected, keys=records.RECORD_ID, join_type="left anti"
        )
    if accepted.num_rows:
        raise Difference(
            f"{topic}: {describe_first_record(accepted)} was malformed on purpose, yet is in events "
            f"({accepted.num_rows} in all)"
        )
    return rows.num_rows


def _without_faults(rows: pa.Table) -> pa.Table:
    """Return the rows without their injected faults."""
    return rows.set_column(
        rows.schema.get_field_index("fault"), "fault", pa.nulls(rows.num_rows, pa.string())
    )


def _numbered(rows: pa.Table, column: str) -> pa.Table:
    return rows.append_column(column, pa.array(range(rows.num_rows), pa.int64()))


def _with_kafka_topic_ids(events: pa.Table) -> pa.Table:
    index = events.schema.get_field_index("source_topic_id")
    ids = pa.array(map(offsets.kafka_id, events["source_topic_id"].to_pylist()), pa.string())
    return events.set_column(index, "source_topic_id", ids)
