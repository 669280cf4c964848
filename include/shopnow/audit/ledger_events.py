"""The generator's events are all in the events tables as far as these have come, and worth the same, to the cent.

An event that was sent twice is there once, one that was malformed on purpose not at all, unless an operator has corrected it.
"""

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from shopnow.audit import records, totals
from shopnow.audit.acknowledged_loss import lost
from shopnow.audit.context import Difference, Evidence, first_place, raw_behind, same_figures
from shopnow.events import TOPICS
from shopnow.lake.delta import tables
from shopnow.lake.ingest import offsets
from shopnow.traffic import ledger_totals as totals_of
from shopnow.traffic.faults import MALFORMED

_WORTH = {"orders", "payments", "stock"}
"""The topics whose events are worth something; of the others it is enough to know which they are."""


def check(evidence: Evidence) -> str:
    shop_totals, mine, there, compared, gone, malformed = totals_of.from_rows([]), {}, 0, 0, 0, 0
    for name, events in evidence.events.items():
        topic = name.removeprefix("events/")
        evidence.report("verify", f"ledger = events: {topic}")
        raw = raw_behind(evidence.lake, events, name)
        if raw is None:
            continue
        there += 1
        rows = _numbered(_landed(evidence.ledger.filter(pc.field("topic") == topic), raw), "ledger_row")
        identity = [*records.SOURCE_PLACE, "event_id"]
        table = _numbered(
            _under_kafkas_ids(tables.read(events, None if topic in _WORTH else identity)), "row"
        )
        pairs = _pairs(
            table.select([*identity, "row"]), rows.select([*records.PLACE, "event_id", "ledger_row"])
        )
        spoilt = pc.is_in(rows["fault"], pa.array(MALFORMED))
        malformed += _check_spoilt(rows.filter(spoilt), pairs, raw, topic)
        rows = rows.filter(pc.invert(spoilt))
        pairs = pairs.filter(pc.is_in(pairs["ledger_row"], rows["ledger_row"]))
        missing = rows.filter(pc.invert(pc.is_in(rows["event_id"], table["event_id"].take(pairs["row"]))))
        acknowledged = (
            pc.sum(lost(missing, [loss for loss in evidence.losses if loss.topic == topic])).as_py() or 0
        )
        if acknowledged != missing.num_rows:
            raise Difference(
                f"{topic}: {rows.num_rows - acknowledged:,} events in the ledger, {pairs.num_rows:,} of them in events"
            )
        gone += acknowledged
        shop_totals.add(
            totals_of.from_rows([_as_events(rows.filter(pc.is_in(rows["ledger_row"], pairs["ledger_row"])))])
        )
        compared += pairs.num_rows
        if topic in _WORTH:
            mine[topic] = table.take(pairs["row"])
    if there != len(TOPICS):
        return "no events yet"
    sales = totals.sales_of_ledger(shop_totals)
    same_figures(sales, totals.sales_of_events(mine["orders"], mine["payments"]), "the ledger", "events")
    changes = mine["stock"].group_by("product_id").aggregate([("quantity_change", "sum")]).to_pylist()
    stock = totals.stock({row["product_id"]: row["quantity_change_sum"] for row in changes})
    same_figures(totals.stock(shop_totals.stock_changes), stock, "the ledger", "events")
    more = f"; {gone:,} more are acknowledged as lost" if gone else ""
    more += f"; {malformed:,} were malformed on purpose" if malformed else ""
    revenue = int(sales["net_revenue_cents"].sum()) / 100
    return f"{compared:,} events; {shop_totals.orders:,} orders, net revenue {revenue:,.2f}, the same to the cent{more}"


def _landed(rows: pa.Table, raw: DeltaTable) -> pa.Table:
    """The ledger's rows of one topic that the raw table has come to."""
    places = list(zip(rows["topic_id"].to_pylist(), rows["partition"].to_pylist(), strict=True))
    ends = {
        place: offsets.position(raw, offsets.current_id(raw, place[0]), place[1]) or 0
        for place in set(places)
    }
    landed = [offset < ends[place] for place, offset in zip(places, rows["offset"].to_pylist(), strict=True)]
    return rows.filter(pa.array(landed, pa.bool_()))


def _pairs(events: pa.Table, rows: pa.Table) -> pa.Table:
    """The numbers of events and of the ledger's rows that tell of them, `row` and `ledger_row`."""
    found = [pa.table({"row": pa.array([], pa.int64()), "ledger_row": pa.array([], pa.int64())})]
    # A partition at a time: to join a million takes gigabytes.
    for partition in pc.unique(rows["partition"]).to_pylist():
        # By event_id too: Kafka may have given a place twice, if it lost the first.
        pairs = events.filter(pc.field("source_partition") == partition).join(
            rows.filter(pc.field("partition") == partition),
            keys=[*records.SOURCE_PLACE, "event_id"],
            right_keys=[*records.PLACE, "event_id"],
            join_type="inner",
        )
        found.append(pairs.select(["row", "ledger_row"]))
    return pa.concat_tables(found)


def _check_spoilt(rows: pa.Table, pairs: pa.Table, raw: DeltaTable, topic: str) -> int:
    """How many records were malformed on purpose; none of them may have become an event by itself.

    Raises:
        Difference: one has.
    """
    slipped = rows.filter(pc.is_in(rows["ledger_row"], pairs["ledger_row"]))
    # In a table that has no such column nothing was ever corrected.
    if slipped.num_rows and "correction" in raw.schema().to_arrow().names:
        corrected = tables.read(raw, records.PLACE, "correction IS NOT NULL")
        slipped = slipped.select(records.PLACE).join(corrected, keys=records.PLACE, join_type="left anti")
    if slipped.num_rows:
        raise Difference(
            f"{topic}: {first_place(slipped)} was malformed on purpose, yet is in events ({slipped.num_rows} such)"
        )
    return rows.num_rows


def _as_events(rows: pa.Table) -> pa.Table:
    """The rows without what came of their records on the way."""
    return rows.set_column(
        rows.schema.get_field_index("fault"), "fault", pa.nulls(rows.num_rows, pa.string())
    )


def _numbered(rows: pa.Table, column: str) -> pa.Table:
    return rows.append_column(column, pa.array(range(rows.num_rows), pa.int64()))


def _under_kafkas_ids(events: pa.Table) -> pa.Table:
    index = events.schema.get_field_index("source_topic_id")
    ids = pa.array(map(offsets.kafka_id, events["source_topic_id"].to_pylist()), pa.string())
    return events.set_column(index, "source_topic_id", ids)
