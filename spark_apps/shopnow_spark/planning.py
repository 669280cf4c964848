"""What is to become of a KPI table, going by what changed in its sources since it was made."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from deltalake import DeltaTable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shopnow.dates import add_days_clamped
from shopnow.failpoints import reach
from shopnow.kpis import STOCK_OUTS, Kpi
from shopnow.kpis.definition import Source
from shopnow.kpis.stock import DEMAND_DAYS
from shopnow.lake.delta import tables
from shopnow.lake.ingest.data_loss import LOSSES, Loss
from shopnow.lake.lineage import completeness, lineage
from shopnow_spark import affected_dates, events, lake_reader, registry
from shopnow_spark.kpi_writer import Changed, Computed, Plan
from shopnow_spark.kpis.stock_outs import stock_outs
from shopnow_spark.lake_reader import Start
from shopnow_spark.registry import BY_DATE, FULL_REFRESH, INCREMENTAL


class Inputs(NamedTuple):
    """A KPI's table and its sources as they stand; of sources with dates, what `changed` since it was made; raw versions behind them."""

    table: DeltaTable
    made_from: Mapping[str, int]
    sources: Mapping[str, DeltaTable]
    raw: Mapping[str, int]
    changed: Changed

    @property
    def dates(self) -> dict[str, list[date]] | None:
        """The dates that changed, by source; None if all may have."""
        found = {
            name: list(map(date.fromisoformat, days))
            for name, days in self.changed.items()
            if days is not None
        }
        return found if len(found) == len(self.changed) else None


def plan(
    lake: str, kpi: Kpi, losses: Sequence[Loss], computed: Computed, start: Start, also: Collection[date] = ()
) -> Plan | None:
    """The new rows of a KPI where its sources or losses changed since it was made, and of `also`; None if there is nothing to do.

    Args:
        losses: those of the KPI's topics.
        also: days to make anew whatever changed; a KPI without dates knows of none.
    """
    inputs = _open(lake, kpi)
    if inputs is None:
        return None
    if kpi.name in BY_DATE:
        return _by_date(kpi, inputs, losses, computed, start, also)
    if kpi.name in INCREMENTAL:
        return _carried(lake, kpi, inputs, losses, start)
    if kpi is STOCK_OUTS:
        return _stock_outs(inputs, losses, start)
    return _whole(lake, kpi, inputs, losses, computed, start)


def _by_date(
    kpi: Kpi, inputs: Inputs, losses: Sequence[Loss], computed: Computed, start: Start, also: Collection[date]
) -> Plan | None:
    known = {
        source.table: _dates(inputs.sources[source.table], source.date)
        for source in kpi.sources
        if source.date
    }
    chosen: set[date] | None = None
    if inputs.dates is not None:
        existing = affected_dates.of_kpi(kpi, {day for days in known.values() for day in days}).union(
            _dates(inputs.table, "date")
        )
        chosen = (
            affected_dates.dates(kpi, inputs.dates, existing)
            | affected_dates.of_kpi(kpi, also)
            | _otherwise_complete(kpi, inputs, losses)
        )
        if not chosen:
            return None
    reach("kpi:plan")

    def pruning(source: Source) -> lake_reader.Pruning:
        if chosen is None or source.date is None:
            return None
        return _in(source.date, affected_dates.needed(kpi, source, chosen, known[source.table]))

    rows = _make(kpi, inputs, computed, start, {source.table: pruning(source) for source in kpi.sources})
    if chosen is not None:
        rows = rows.where(F.col("date").isin(sorted(chosen)))
    return _plan(kpi, inputs, rows, losses, None if chosen is None else sorted(map(str, chosen)))


def _carried(lake: str, kpi: Kpi, inputs: Inputs, losses: Sequence[Loss], start: Start) -> Plan | None:
    [source] = kpi.sources
    raw = f"raw/{source.topics[0]}"
    ranges = lineage.new_offsets(lake, raw, inputs.made_from.get(raw), inputs.raw[raw])
    changed = inputs.changed[source.table]
    if changed is None or None in changed.values():
        ranges = None  # events it is made from were written anew
    if (ranges == [] or changed == {}) and inputs.made_from.get(LOSSES.table) == len(losses):
        return None
    reach("kpi:plan")
    table = inputs.sources[source.table]
    spark = lake_reader.for_records(
        start(),
        lake_reader.records(table) if ranges is None else sum(each.end - each.start for each in ranges),
    )
    known = lake_reader.read(spark, inputs.table) if ranges is not None else None
    new = events.within(
        lake_reader.read(spark, table, lake_reader.pruning(ranges, "source_")), ranges, "source_"
    )
    return _plan(kpi, inputs, INCREMENTAL[kpi.name](known, new), losses)


def _stock_outs(inputs: Inputs, losses: Sequence[Loss], start: Start) -> Plan | None:
    stock, daily, products = STOCK_OUTS.sources
    dates = inputs.dates
    if dates is not None and not any(dates.values()) and inputs.made_from.get(LOSSES.table) == len(losses):
        return None
    there = _dates(inputs.sources[stock.table], stock.date)
    since = (
        None
        if dates is None
        else min([day for days in dates.values() for day in days] + [max(there, default=date.max)])
    )
    first = since
    if since is not None:
        spans = tables.read(inputs.table, ["started_at", "ended_at"]).to_pylist()
        first = min(
            [
                each["started_at"].date()
                for each in spans
                if each["ended_at"] is None or each["ended_at"].date() >= since
            ]
            + [since]
        )
    reach("kpi:plan")
    before = None if first is None else add_days_clamped(first, -DEMAND_DAYS)
    chosen = [
        _from(inputs, source, begin)
        for source, begin in ((stock, since), (daily, before), (products, before))
    ]
    spark = lake_reader.for_records(
        start(), sum(lake_reader.records(table, pruning) for table, pruning in chosen)
    )
    known = None if since is None else lake_reader.read(spark, inputs.table)
    rows = stock_outs(known, since, *(lake_reader.read(spark, table, pruning) for table, pruning in chosen))
    return _plan(STOCK_OUTS, inputs, rows, losses)


def _whole(
    lake: str, kpi: Kpi, inputs: Inputs, losses: Sequence[Loss], computed: Computed, start: Start
) -> Plan | None:
    changed = any(
        lineage.is_changed(lake, name, inputs.made_from.get(name), at.version())
        for name, at in inputs.sources.items()
    )
    if not changed and inputs.made_from.get(LOSSES.table) == len(losses):
        return None
    reach("kpi:plan")
    return _plan(kpi, inputs, _make(kpi, inputs, computed, start, {}), losses)


def _open(lake: str, kpi: Kpi) -> Inputs | None:
    """None if the sources have not been made yet."""
    table = tables.ensure(lake, kpi.name, kpi.schema, kpi.partition_by)
    made_from = lineage.sources(lake, kpi.name, table.version())
    sources: dict[str, DeltaTable] = {}
    behind: dict[str, int] = {}
    # KPIs first: of the events they were made from, this one takes those very versions.
    for source in sorted(kpi.sources, key=lambda source: source.table.startswith("events/")):
        opened = lake_reader.open_or_none(lake, source.table)
        if opened is None:
            return None
        if source.table in behind:
            opened = tables.open_table(
                lake,
                source.table,
                lineage.latest_equivalent_version(lake, source.table, behind[source.table], opened.version()),
            )
        sources[source.table] = opened
        for name, version in lineage.sources(lake, source.table, opened.version()).items():
            behind[name] = min(version, behind.get(name, version))
    raw = {name: version for name, version in behind.items() if name.startswith("raw/")}
    if not raw:
        return None
    changed = {
        source.table: lineage.changed_dates(
            lake, source.table, made_from.get(source.table), sources[source.table].version(), source.date
        )
        for source in kpi.sources
        if source.date
    }
    return Inputs(table, made_from, sources, raw, changed)


def _make(
    kpi: Kpi, inputs: Inputs, computed: Computed, start: Start, prunings: Mapping[str, lake_reader.Pruning]
) -> DataFrame:
    chosen = [(inputs.sources[source.table], prunings.get(source.table)) for source in kpi.sources]
    spark = lake_reader.for_records(
        start(), sum(lake_reader.records(table, pruning) for table, pruning in chosen)
    )
    make = BY_DATE.get(kpi.name) or FULL_REFRESH[kpi.name]
    return make(
        registry.kpi_context(spark, computed.at),
        *(lake_reader.read(spark, table, pruning) for table, pruning in chosen),
    )


def _plan(
    kpi: Kpi, inputs: Inputs, rows: DataFrame, losses: Sequence[Loss], dates: Sequence[str] | None = None
) -> Plan:
    versions = {name: table.version() for name, table in inputs.sources.items()}
    return Plan(
        kpi,
        inputs.table,
        rows,
        dates,
        {**versions, **inputs.raw, LOSSES.table: len(losses)},
        inputs.raw,
        inputs.changed,
        losses,
    )


def _from(inputs: Inputs, source: Source, begin: date | None) -> tuple[DeltaTable, lake_reader.Pruning]:
    """A source, and which of its files hold the dates from one on; all without one."""
    table = inputs.sources[source.table]
    return table, None if begin is None else _in(
        source.date, [day for day in _dates(table, source.date) if day >= begin]
    )


def _otherwise_complete(kpi: Kpi, inputs: Inputs, losses: Sequence[Loss]) -> set[date]:
    """The dates whose rows do not name the losses that concern them."""
    if inputs.made_from.get(LOSSES.table) == len(losses):
        return set()  # as many as when it was made, and none is ever taken back
    rows = tables.read(inputs.table, ["date", "losses"]).to_pylist()
    return {
        row["date"] for row in rows if row["losses"] != completeness.of_row(losses, kpi, row["date"]).losses
    }


def _dates(table: DeltaTable, column: str | None) -> list[date]:
    """The dates a table is partitioned by that have rows."""
    return [date.fromisoformat(each[column]) for each in table.partitions()] if column else []


def _in(column: str | None, days: Iterable[date]) -> lake_reader.Pruning:
    return [(column, "in", [str(day) for day in days])]
