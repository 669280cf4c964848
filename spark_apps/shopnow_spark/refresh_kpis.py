"""KPI tables computed anew where the events they are made from changed."""

from collections.abc import Callable, Collection, Mapping, Sequence

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from pyspark.sql import DataFrame

from shopnow.killpoints import reach
from shopnow.kpis import SALES_DAILY, SALES_HOURLY, STOCK_POSITION, TOP_PRODUCTS, Kpi
from shopnow.lake import lineage, tables
from shopnow.lake.completeness import of_day
from shopnow.lake.losses import LOSSES, Loss
from shopnow_spark import events, frames, kpis
from shopnow_spark.frames import Start
from shopnow_spark.publishing import Computed, Plan, publish
from shopnow_spark.refreshed import Refreshed

ATTEMPTS = 3

_BY_DAY: dict[str, Callable[..., DataFrame]] = {
    SALES_HOURLY.name: kpis.sales_hourly,
    SALES_DAILY.name: kpis.sales_daily,
    TOP_PRODUCTS.name: kpis.top_products,
}


def refresh_kpi(lake: str, kpi: Kpi, losses: Sequence[Loss], computed: Computed, start: Start) -> Refreshed | None:
    """Computes the KPI anew for the dates whose events or losses changed; None if none did."""
    known = [loss for loss in losses if loss.topic in kpi.topics]
    for attempt in range(ATTEMPTS):
        plan = plan_stock(lake, known, start) if kpi is STOCK_POSITION else plan_days(lake, kpi, known, start)
        if plan is None:
            return None
        try:
            return publish(plan, plan.rows.toArrow(), computed)
        except CommitFailedError:
            if attempt + 1 == ATTEMPTS:
                raise
    return None


def plan_days(lake: str, kpi: Kpi, losses: Sequence[Loss], start: Start, also: Collection[str] = ()) -> Plan | None:
    """The rows of the dates whose events or losses changed since a KPI was last computed, and of others; None if there are none."""
    table = _ensure(lake, kpi)
    made_from = lineage.sources(lake, kpi.name, table.version())
    sources = {name: tables.open_table(lake, name) for name in (f"events/{topic}" for topic in kpi.topics)}
    versions = {name: source.version() for name, source in sources.items()}
    changed = {name: lineage.changed_dates(lake, name, made_from.get(name), version) for name, version in versions.items()}
    # Without the lineage of one of them nothing is known to be right: no choice of dates, so all of them.
    known = [dates for dates in changed.values() if dates is not None]
    dates = sorted(_otherwise_complete(table, made_from, losses).union(also, *known)) if len(known) == len(changed) else None
    raw = _raw_versions(lake, versions)
    if dates == [] or not raw:
        return None
    reach("kpi:plan")
    spark = start()
    pruning = None if dates is None else [("event_date", "in", dates)]
    rows = _BY_DAY[kpi.name](*(frames.read(spark, source, pruning) for source in sources.values()))
    return Plan(kpi, table, rows, dates, {**versions, LOSSES.table: len(losses)}, raw, changed, losses)


def plan_stock(lake: str, losses: Sequence[Loss], start: Start) -> Plan | None:
    """The stock position with the events since it was last computed; None if neither events nor losses came."""
    table = _ensure(lake, STOCK_POSITION)
    made_from = lineage.sources(lake, STOCK_POSITION.name, table.version())
    source = tables.open_table(lake, "events/stock")
    version = source.version()
    raw = _raw_versions(lake, {"events/stock": version})
    ranges = lineage.new_offsets(lake, "raw/stock", made_from.get("raw/stock"), raw["raw/stock"]) if raw else []
    changed = lineage.changed_dates(lake, "events/stock", made_from.get("events/stock"), version)
    if raw and (changed is None or None in changed.values()):
        ranges = None  # events it is made from were written anew
    if ranges == [] and (not raw or made_from.get(LOSSES.table) == len(losses)):
        return None
    reach("kpi:plan")
    spark = start()
    known = frames.read(spark, table) if ranges is not None else None
    new = events.within(frames.read(spark, source, frames.pruning(ranges, "source_")), ranges, "source_")
    rows = kpis.stock_position(known, new)
    sources = {"events/stock": version, **raw, LOSSES.table: len(losses)}
    return Plan(STOCK_POSITION, table, rows, None, sources, raw, {"events/stock": changed}, losses)


def _otherwise_complete(table: DeltaTable, made_from: Mapping[str, int], losses: Sequence[Loss]) -> set[str]:
    """The dates whose rows do not name the losses that concern them."""
    if made_from.get(LOSSES.table) == len(losses):
        return set()  # as many as when it was made, and none is ever taken back
    rows = tables.read(table, ["date", "losses"]).to_pylist()
    return {str(row["date"]) for row in rows if row["losses"] != of_day(losses, row["date"]).losses}


def _ensure(lake: str, kpi: Kpi) -> DeltaTable:
    return tables.ensure(lake, kpi.name, kpi.schema, kpi.partition_by)


def _raw_versions(lake: str, events: Mapping[str, int]) -> dict[str, int]:
    """Versions of the raw tables that events tables at these versions were made from, by table name."""
    return {raw: at for name, version in events.items() for raw, at in lineage.sources(lake, name, version).items()}
