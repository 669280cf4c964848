"""Plan the refresh of a KPI table from what changed in its sources since its last commit."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from deltalake import DeltaTable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shopnow.dates import add_days_clamped
from shopnow.failpoints import failpoint
from shopnow.kpis import STOCK_OUTS, Kpi
from shopnow.kpis.definition import Source
from shopnow.kpis.stock import DEMAND_DAYS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest.data_loss import LOSSES, Loss
from shopnow.lake.lineage import completeness, lineage
from shopnow_spark import affected_dates, events, lake_reader, registry
from shopnow_spark.kpi_writer import ChangedDates, Computation, Plan
from shopnow_spark.kpis.stock_outs import stock_outs
from shopnow_spark.lake_reader import Start
from shopnow_spark.registry import BY_DATE, FULL_REFRESH, INCREMENTAL


class Inputs(NamedTuple):
    """Snapshots of a KPI's table and of its sources, and what changed since the table was derived.

    `materialized` are the source versions that the table was derived from, `raw` the raw versions behind the
    sources, and `changed` the changed dates of the sources that have dates.
    """

    table: DeltaTable
    materialized: Mapping[str, int]
    sources: Mapping[str, DeltaTable]
    raw: Mapping[str, int]
    changed: ChangedDates

    @property
    def dates(self) -> dict[str, list[date]] | None:
        """Changed dates by source; None if all dates may have changed."""
        dates = {
            name: list(map(date.fromisoformat, days))
            for name, days in self.changed.items()
            if days is not None
        }
        return dates if len(dates) == len(self.changed) else None


def plan(
    lake: str,
    kpi: Kpi,
    losses: Sequence[Loss],
    computation: Computation,
    start: Start,
    also: Collection[date] = (),
    from_scratch: bool = False,
) -> Plan | None:
    """Plan the recomputation of a KPI where its sources or losses changed; None if there is nothing to do.

    Args:
        losses: data losses of the KPI's topics.
        also: days to recompute even if nothing changed; ignored for a KPI without dates.
        from_scratch: recompute all rows, and read none of the present ones.
    """
    inputs = _open_inputs(lake, kpi, from_scratch)
    if inputs is None:
        return None
    if kpi.name in BY_DATE:
        return _plan_dates(kpi, inputs, losses, computation, start, also)
    if kpi.name in INCREMENTAL:
        return _plan_incremental(lake, kpi, inputs, losses, start)
    if kpi is STOCK_OUTS:
        return _plan_stock_outs(inputs, losses, start)
    return _plan_full_refresh(lake, kpi, inputs, losses, computation, start)


def _plan_dates(
    kpi: Kpi,
    inputs: Inputs,
    losses: Sequence[Loss],
    computation: Computation,
    start: Start,
    also: Collection[date],
) -> Plan | None:
    known = {
        source.table: _partition_dates(inputs.sources[source.table], source.date)
        for source in kpi.sources
        if source.date
    }
    selected: set[date] | None = None
    if inputs.dates is not None:
        existing = affected_dates.kpi_dates(kpi, {day for days in known.values() for day in days}).union(
            _partition_dates(inputs.table, "date")
        )
        selected = (
            affected_dates.affected(kpi, inputs.dates, existing)
            | affected_dates.kpi_dates(kpi, also)
            | _completeness_changed(kpi, inputs, losses)
        )
        if not selected:
            return None
    failpoint("kpi:plan")

    def pruning(source: Source) -> lake_reader.Pruning:
        if selected is None or source.date is None:
            return None
        return _partition_in(
            source.date, affected_dates.source_dates(kpi, source, selected, known[source.table])
        )

    rows = _compute(
        kpi, inputs, computation, start, {source.table: pruning(source) for source in kpi.sources}
    )
    if selected is not None:
        rows = rows.where(F.col("date").isin(sorted(selected)))
    return _build_plan(kpi, inputs, rows, losses, None if selected is None else sorted(map(str, selected)))


def _plan_incremental(
    lake: str, kpi: Kpi, inputs: Inputs, losses: Sequence[Loss], start: Start
) -> Plan | None:
    [source] = kpi.sources
    raw = f"raw/{source.topics[0]}"
    ranges = lineage.new_offsets(Table(lake, raw), inputs.materialized.get(raw), inputs.raw[raw])
    changed = inputs.changed[source.table]
    if changed is None or None in changed.values():
        ranges = None  # events that the table was derived from were rewritten
    if (ranges == [] or changed == {}) and inputs.materialized.get(LOSSES.table) == len(losses):
        return None
    failpoint("kpi:plan")
    table = inputs.sources[source.table]
    spark = lake_reader.session_for(
        start(),
        lake_reader.count_records(table)
        if ranges is None
        else sum(range_.end - range_.start for range_ in ranges),
    )
    known = lake_reader.read(spark, inputs.table) if ranges is not None else None
    new = events.filter_ranges(
        lake_reader.read(spark, table, lake_reader.file_pruning(ranges, "source_")), ranges, "source_"
    )
    return _build_plan(kpi, inputs, INCREMENTAL[kpi.name](known, new), losses)


def _plan_stock_outs(inputs: Inputs, losses: Sequence[Loss], start: Start) -> Plan | None:
    stock, daily, products = STOCK_OUTS.sources
    dates = inputs.dates
    if dates is not None and not any(dates.values()) and inputs.materialized.get(LOSSES.table) == len(losses):
        return None
    days_with_stock = _partition_dates(inputs.sources[stock.table], stock.date)
    since = (
        None
        if dates is None
        else min([day for days in dates.values() for day in days] + [max(days_with_stock, default=date.max)])
    )
    first = since
    if since is not None:
        spans = tables.read(inputs.table, ["started_at", "ended_at"]).to_pylist()
        first = min(
            [
                span["started_at"].date()
                for span in spans
                if span["ended_at"] is None or span["ended_at"].date() >= since
            ]
            + [since]
        )
    failpoint("kpi:plan")
    before = None if first is None else add_days_clamped(first, -DEMAND_DAYS)
    pruned = [
        _from_date(inputs, source, begin)
        for source, begin in ((stock, since), (daily, before), (products, before))
    ]
    spark = lake_reader.session_for(
        start(), sum(lake_reader.count_records(table, pruning) for table, pruning in pruned)
    )
    known = None if since is None else lake_reader.read(spark, inputs.table)
    rows = stock_outs(known, since, *(lake_reader.read(spark, table, pruning) for table, pruning in pruned))
    return _build_plan(STOCK_OUTS, inputs, rows, losses)


def _plan_full_refresh(
    lake: str, kpi: Kpi, inputs: Inputs, losses: Sequence[Loss], computation: Computation, start: Start
) -> Plan | None:
    changed = any(
        lineage.is_changed(Table(lake, name), inputs.materialized.get(name), snapshot.version())
        for name, snapshot in inputs.sources.items()
    )
    if not changed and inputs.materialized.get(LOSSES.table) == len(losses):
        return None
    failpoint("kpi:plan")
    return _build_plan(kpi, inputs, _compute(kpi, inputs, computation, start, {}), losses)


def _open_inputs(lake: str, kpi: Kpi, from_scratch: bool) -> Inputs | None:
    """Open the snapshots that the KPI is computed from; None if a source does not exist yet."""
    table = Table(lake, kpi.name).ensure(kpi.schema, kpi.partition_by)
    materialized = {} if from_scratch else lineage.sources(Table(lake, kpi.name), table.version())
    sources: dict[str, DeltaTable] = {}
    behind: dict[str, int] = {}
    # KPIs first, as events are read at the versions that those KPIs were derived from.
    for source in sorted(kpi.sources, key=lambda source: source.table.startswith("events/")):
        opened = Table(lake, source.table).open_if_exists()
        if opened is None:
            return None
        if source.table in behind:
            opened = Table(lake, source.table).open(
                lineage.latest_equivalent_version(
                    Table(lake, source.table), behind[source.table], opened.version()
                ),
            )
        sources[source.table] = opened
        for name, version in lineage.sources(Table(lake, source.table), opened.version()).items():
            behind[name] = min(version, behind.get(name, version))
    raw = {name: version for name, version in behind.items() if name.startswith("raw/")}
    if not raw:
        return None
    changed = {
        source.table: lineage.changed_dates(
            Table(lake, source.table),
            materialized.get(source.table),
            sources[source.table].version(),
            source.date,
        )
        for source in kpi.sources
        if source.date
    }
    return Inputs(table, materialized, sources, raw, changed)


def _compute(
    kpi: Kpi,
    inputs: Inputs,
    computation: Computation,
    start: Start,
    prunings: Mapping[str, lake_reader.Pruning],
) -> DataFrame:
    pruned = [(inputs.sources[source.table], prunings.get(source.table)) for source in kpi.sources]
    spark = lake_reader.session_for(
        start(), sum(lake_reader.count_records(table, pruning) for table, pruning in pruned)
    )
    make = BY_DATE.get(kpi.name) or FULL_REFRESH[kpi.name]
    return make(
        registry.kpi_context(spark, computation.at),
        *(lake_reader.read(spark, table, pruning) for table, pruning in pruned),
    )


def _build_plan(
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


def _from_date(inputs: Inputs, source: Source, begin: date | None) -> tuple[DeltaTable, lake_reader.Pruning]:
    """Return a source and the pruning to its dates from `begin` on; all dates if None."""
    table = inputs.sources[source.table]
    return table, None if begin is None else _partition_in(
        source.date, [day for day in _partition_dates(table, source.date) if day >= begin]
    )


def _completeness_changed(kpi: Kpi, inputs: Inputs, losses: Sequence[Loss]) -> set[date]:
    """Return the dates whose rows do not name all losses that concern them."""
    if inputs.materialized.get(LOSSES.table) == len(losses):
        return set()  # no new loss since the last commit, and none is ever withdrawn
    rows = tables.read(inputs.table, ["date", "losses"]).to_pylist()
    return {
        row["date"] for row in rows if row["losses"] != completeness.for_row(losses, kpi, row["date"]).losses
    }


def _partition_dates(table: DeltaTable, column: str | None) -> list[date]:
    """Return the dates of a table's partitions."""
    return [date.fromisoformat(partition[column]) for partition in table.partitions()] if column else []


def _partition_in(column: str | None, days: Iterable[date]) -> lake_reader.Pruning:
    return [(column, "in", [str(day) for day in days])]
