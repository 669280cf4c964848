"""Proves that ledger = topics = raw = events = KPIs, or names the first difference.

Each pair is compared at a cut that both sides have reached (ledger offsets, table versions), so the proof holds while
traffic flows: tables are pinned from the last to the first, and Kafka is read only up to what they stand for.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from shopnow.audit import digests, figures, records
from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.broker.topics import TopicState
from shopnow.events import TOPICS
from shopnow.kpis import KPIS, STOCK_POSITION
from shopnow.lake import lineage, receipts, tables
from shopnow.lake.digest import NOTHING, Digest
from shopnow.lake.offsets import app_id
from shopnow.traffic import ledger

Report = Callable[[str, str], None]
_SOURCE = ["source_topic_id", "source_partition", "source_offset"]


class Check(NamedTuple):
    check: str
    ok: bool
    detail: str


class Difference(Exception):
    """Two sides of a check that should be equal are not; its text names the first difference."""


class Pinned(NamedTuple):
    """The tables at the versions that are compared, by name; a table that does not exist yet is left out."""

    kpis: dict[str, DeltaTable]
    events: dict[str, DeltaTable]
    raw: dict[str, DeltaTable]


def verify(conf: Conf, lake: str, report: Report = lambda subject, what: None) -> list[Check]:
    """All checks, each with what it compared or the first difference.

    Raises:
        UserError: Kafka or the lake does not answer.
    """
    pinned = _pin(lake)
    truth = ledger.read(conf)
    states = topics.describe(conf, TOPICS)
    checks: list[tuple[str, Callable[[], str]]] = [
        ("ledger = topics", lambda: _ledger_topics(conf, truth, states, report)),
        ("topics = raw", lambda: _topics_raw(conf, pinned, states, report)),
        ("raw = receipts", lambda: _raw_receipts(lake, pinned, report)),
        ("raw = events + quarantine + duplicates", lambda: _raw_events(lake, pinned, report)),
        ("ledger = events", lambda: _ledger_events(lake, pinned, truth)),
        ("events = KPIs", lambda: _events_kpis(lake, pinned)),
    ]
    return [_run(name, check, report) for name, check in checks]


def _run(name: str, check: Callable[[], str], report: Report) -> Check:
    report("verify", name)
    try:
        return Check(name, True, check())
    except Difference as difference:
        return Check(name, False, str(difference))


def _pin(lake: str) -> Pinned:
    def present(names: list[str]) -> dict[str, DeltaTable]:
        return {name: tables.open_table(lake, name) for name in names if tables.exists(lake, name)}

    kpis = present([kpi.name for kpi in KPIS])
    events = present([f"events/{name}" for name in TOPICS])
    return Pinned(kpis, events, present([f"raw/{name}" for name in TOPICS]))


def _ledger_topics(conf: Conf, truth: pa.Table, states: dict[str, TopicState], report: Report) -> str:
    """Every record the generator made, and nothing else under its name, is in Kafka where the ledger says."""
    compared = others = expired = 0
    for name, state in states.items():
        report("verify", f"ledger = topics: {name}")
        rows = truth.filter(pc.field("topic") == name)
        current = rows.filter(pc.field("topic_id") == state.topic_id)
        bounds = _bounds(current)
        ranges = {partition: (earliest, bounds.get(partition, earliest)) for partition, (earliest, _) in state.partitions.items()}
        # The broker shows a transaction's end on one partition sooner than on another: what the ledger tells of is there or on its way.
        found, ours = records.of_kafka(conf, name, state.topic_id, ranges)
        kept = _from(current, {partition: earliest for partition, (earliest, _) in state.partitions.items()})
        _same(records.of_ledger(kept), found.filter(ours), "the ledger", "Kafka", name)
        compared += kept.num_rows
        others += found.num_rows - kept.num_rows
        expired += rows.num_rows - kept.num_rows
    detail = f"{compared:,} records of the generator's are the same"
    detail += f"; {others:,} records of others among them" if others else ""
    return detail + (f"; {expired:,} are no longer in Kafka" if expired else "")


def _topics_raw(conf: Conf, pinned: Pinned, states: dict[str, TopicState], report: Report) -> str:
    """What Kafka holds of the landed ranges is in raw, byte for byte, and nothing else is."""
    compared = 0
    for name, state in states.items():
        if f"raw/{name}" not in pinned.raw:
            continue
        report("verify", f"topics = raw: {name}")
        raw = pinned.raw[f"raw/{name}"]
        landed = {partition: raw.transaction_version(app_id(state.topic_id, partition)) for partition in state.partitions}
        ranges = {partition: (state.partitions[partition][0], end) for partition, end in landed.items() if end is not None}
        in_kafka, in_raw = digests.kafka_digests(conf, name, ranges), digests.raw_digests(raw, state.topic_id, ranges)
        for partition, (start, end) in ranges.items():
            if in_kafka[partition] != in_raw[partition]:
                kafka, _ = records.of_kafka(conf, name, state.topic_id, {partition: (start, end)})
                _same(kafka, records.of_raw(raw, state.topic_id, partition, start, end), "Kafka", "raw", name)
            compared += in_raw[partition].rows
    return f"{compared:,} records are the same"


def _raw_receipts(lake: str, pinned: Pinned, report: Report) -> str:
    """Each partition's receipts follow each other without a gap, and their digests add up to that of its rows."""
    count = 0
    for name, raw in pinned.raw.items():
        report("verify", f"raw = receipts: {name}")
        topic = name.removeprefix("raw/")
        told: dict[str, dict[int, Digest]] = {}
        ends: dict[tuple[str, int], int] = {}
        for receipt in receipts.receipts(lake, topic, raw.version()).to_pylist():
            topic_id, partition, start = receipt["topic_id"], receipt["partition"], receipt["start_offset"]
            if ends.setdefault((topic_id, partition), start) != start:
                raise Difference(f"{topic} partition {partition}: no receipt for offsets {ends[topic_id, partition]} to {start - 1}")
            ends[topic_id, partition] = receipt["end_offset"]
            parts = told.setdefault(topic_id, {})
            parts[partition] = parts.get(partition, NOTHING) + Digest.parse(receipt["rows"], receipt["digest"])
            count += 1
        for topic_id, parts in told.items():
            found = digests.raw_digests(raw, topic_id)
            for partition, digest in parts.items():
                if found.get(partition, NOTHING) != digest:
                    rows = found.get(partition, NOTHING).rows
                    raise Difference(f"{topic} partition {partition}: {rows:,} rows in raw are not the {digest.rows:,} of the receipts")
        if raw.count() != sum(digest.rows for parts in told.values() for digest in parts.values()):
            raise Difference(f"{topic}: there are rows in raw without a receipt")
    return f"{count:,} receipts without a gap, their digests those of the rows"


def _raw_events(lake: str, pinned: Pinned, report: Report) -> str:
    """Every raw row is an event, or in quarantine, or a duplicate of an event; and every event is a raw row."""
    good = quarantined = duplicates = 0
    for name, events in pinned.events.items():
        topic = TOPICS[name.removeprefix("events/")]
        report("verify", f"raw = events: {topic.name}")
        raw = _raw_behind(lake, events, name)
        if raw is None:
            continue
        wanted, bad = _decoded(raw, topic.decoder().decode)
        columns = [*_SOURCE, "event_id", "event_type", "event_time"]
        found = tables.read(events, columns).rename_columns(wanted.column_names).cast(wanted.schema)
        missing = wanted.join(found, keys=wanted.column_names, join_type="left anti")
        lost = missing.join(found, keys=["event_id"], join_type="left anti")
        if lost.num_rows:
            raise Difference(f"{topic.name}: {_place(lost)} is in raw, not in events ({lost.num_rows} such)")
        extra = found.join(wanted, keys=wanted.column_names, join_type="left anti")
        if extra.num_rows:
            raise Difference(f"{topic.name}: {_place(extra)} is in events, not so in raw ({extra.num_rows} such)")
        if pc.count_distinct(found["event_id"]).as_py() != found.num_rows:
            raise Difference(f"{topic.name}: an event_id is in events twice")
        good, quarantined, duplicates = good + found.num_rows, quarantined + bad, duplicates + missing.num_rows
    return f"{good:,} events, {quarantined:,} records in quarantine, {duplicates:,} duplicates"


def _ledger_events(lake: str, pinned: Pinned, truth: pa.Table) -> str:
    """The generator's events are all in the events tables as far as these have come, and worth the same, to the cent."""
    known, mine = [], {}
    for name, events in pinned.events.items():
        topic = name.removeprefix("events/")
        raw = _raw_behind(lake, events, name)
        if raw is None:
            continue
        rows = truth.filter(pc.field("topic") == topic)
        ends = {place: raw.transaction_version(app_id(*place)) or 0 for place in set(_partitions(rows))}
        places = zip(_partitions(rows), rows["offset"].to_pylist(), strict=True)
        rows = rows.filter(pa.array([offset < ends[place] for place, offset in places], pa.bool_()))
        table = tables.read(events).append_column("row", pa.array(range(events.count())))
        pairs = table.select([*_SOURCE, "row"]).join(rows.select(records.PLACE), keys=_SOURCE, right_keys=records.PLACE, join_type="inner")
        if pairs.num_rows != rows.num_rows:
            raise Difference(f"{topic}: {rows.num_rows:,} events in the ledger, {pairs.num_rows:,} of them in events")
        known.append(rows)
        mine[topic] = table.take(pairs["row"])
    if set(mine) != set(TOPICS):
        return "no events yet"
    totals = ledger.totals(pa.concat_tables(known))
    sales = figures.sales_of_ledger(totals)
    _equal(sales, figures.sales_of_events(mine["orders"], mine["payments"]), "the ledger", "events")
    changes = mine["stock"].group_by("product_id").aggregate([("quantity_change", "sum")]).to_pylist()
    stock = figures.stock({row["product_id"]: row["quantity_change_sum"] for row in changes})
    _equal(figures.stock(totals.closing_stock), stock, "the ledger", "events")
    revenue = int(sales["net_revenue_cents"].sum()) / 100
    return f"{sum(rows.num_rows for rows in known):,} events; {totals.orders:,} orders, net revenue {revenue:,.2f}, the same to the cent"


def _events_kpis(lake: str, pinned: Pinned) -> str:
    """Each KPI table says what the events it was made from say."""
    for kpi in KPIS:
        if kpi.name not in pinned.kpis:
            continue
        table = pinned.kpis[kpi.name]
        made_from = lineage.sources(lake, kpi.name, table.version())
        events = [
            tables.read(_settled(lake, source, made_from[source]))
            for source in (f"events/{topic}" for topic in kpi.topics)
            if source in made_from
        ]
        if len(events) < len(kpi.topics):
            continue
        rows = tables.read(table)
        if kpi is STOCK_POSITION:
            _equal(figures.stock_of_events(*events), rows.to_pandas().set_index("product_id")[["quantity"]], "events", kpi.name)
        else:
            payments = events[1] if len(events) > 1 else _no_payments()
            sales = figures.sales_of_events(events[0], payments)
            columns = ["units", "gmv_cents"] if len(events) == 1 else figures.SALES
            _equal(sales[columns], figures.by_date(rows), "events", kpi.name)
    return f"{len(pinned.kpis)} tables, the same to the cent" if pinned.kpis else "no KPIs yet"


def _no_payments() -> pa.Table:
    return pa.schema([("event_date", pa.date32()), ("event_type", pa.string()), ("amount_cents", pa.int64())]).empty_table()


def _raw_behind(lake: str, events: DeltaTable, name: str) -> DeltaTable | None:
    """The raw table at the version this events table was made from; None if it has none yet."""
    source = name.replace("events/", "raw/")
    version = lineage.sources(lake, name, events.version()).get(source)
    return None if version is None else _settled(lake, source, version)


def _settled(lake: str, name: str, version: int) -> DeltaTable:
    """The table with the rows of that version, in files that VACUUM has not taken."""
    return tables.open_table(lake, name, lineage.settled(lake, name, version, tables.open_table(lake, name).version()))


def _decoded(raw: DeltaTable, decode: Callable) -> tuple[pa.Table, int]:
    """Place, id, type and time of each valid record, by our own decoder; and the number of those that are not valid."""
    bad = 0
    parts: list[pa.Table] = [_DECODED.empty_table()]
    for batch in tables.batches(raw, [*records.PLACE, "value", "problem"]):
        good = batch.filter(pc.is_null(batch["problem"]))
        bad += batch.num_rows - good.num_rows
        events = [decode(value) for value in good["value"].to_pylist()]
        ids, times = [event.event_id for event in events], [event.event_time for event in events]
        types = [type(event).__struct_config__.tag for event in events]
        columns = [*(good[column] for column in records.PLACE), ids, types, pa.array(times, _DECODED.field("event_time").type)]
        parts.append(pa.table(columns, names=_DECODED.names).cast(_DECODED))
    return pa.concat_tables(parts), bad


_DECODED = pa.schema(
    [
        *(records.SCHEMA.field(name) for name in records.PLACE),
        pa.field("event_id", pa.string()),
        pa.field("event_type", pa.string()),
        pa.field("event_time", pa.timestamp("us", tz="UTC")),
    ]
)


def _bounds(rows: pa.Table) -> dict[int, int]:
    """By partition, the offset after the last row's."""
    ends = rows.group_by("partition").aggregate([("offset", "max")]).to_pylist()
    return {each["partition"]: each["offset_max"] + 1 for each in ends}


def _from(rows: pa.Table, first: dict[int, int]) -> pa.Table:
    """The rows at or after the first offset of their partition."""
    places = zip(rows["partition"].to_pylist(), rows["offset"].to_pylist(), strict=True)
    return rows.filter(pa.array([offset >= first.get(partition, 0) for partition, offset in places], pa.bool_()))


def _partitions(rows: pa.Table) -> Iterator[tuple[str, int]]:
    return zip(rows["topic_id"].to_pylist(), rows["partition"].to_pylist(), strict=True)


def _place(rows: pa.Table) -> str:
    first = rows.sort_by([(column, "ascending") for column in records.PLACE]).slice(0, 1).to_pylist()[0]
    return f"partition {first['partition']} offset {first['offset']}"


def _same(left: pa.Table, right: pa.Table, left_name: str, right_name: str, topic: str) -> None:
    if found := records.difference(left, right, left_name, right_name):
        raise Difference(f"{topic}: {found}")


def _equal(left, right, left_name: str, right_name: str) -> None:
    if found := figures.difference(left, right, left_name, right_name):
        raise Difference(found)
