"""KPI tables computed anew where the events they are made from changed."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from pyspark.sql import DataFrame

from shopnow.killpoints import reach
from shopnow.kpis import SALES_DAILY, SALES_HOURLY, STOCK_POSITION, TOP_PRODUCTS, Kpi
from shopnow.lake import lineage, tables
from shopnow_spark import events, frames, kpis
from shopnow_spark.frames import APPLICATION, Start
from shopnow_spark.refreshed import Refreshed

ATTEMPTS = 3

_BY_DAY: dict[str, Callable[..., DataFrame]] = {
    SALES_HOURLY.name: kpis.sales_hourly,
    SALES_DAILY.name: kpis.sales_daily,
    TOP_PRODUCTS.name: kpis.top_products,
}


def refresh_kpi(lake: str, kpi: Kpi, computed_at: datetime, start: Start) -> Refreshed | None:
    """Computes the KPI anew for the dates whose events changed; None if none did."""
    for attempt in range(ATTEMPTS):
        table = tables.ensure(lake, kpi.name, kpi.schema, kpi.partition_by)
        try:
            if kpi is STOCK_POSITION:
                return _refresh_stock(lake, kpi, table, computed_at, start)
            return _refresh_days(lake, kpi, table, computed_at, start)
        except CommitFailedError:
            if attempt + 1 == ATTEMPTS:
                raise
    return None


def _refresh_days(lake: str, kpi: Kpi, table: DeltaTable, computed_at: datetime, start: Start) -> Refreshed | None:
    made_from = lineage.sources(lake, kpi.name, table.version())
    sources = {name: tables.open_table(lake, name) for name in (f"events/{topic}" for topic in kpi.topics)}
    versions = {name: source.version() for name, source in sources.items()}
    changed = [lineage.changed_dates(lake, name, made_from.get(name), version) for name, version in versions.items()]
    # Without the lineage of one of them nothing is known to be right: no choice of dates, so all of them.
    dates = None if None in changed else sorted(set().union(*filter(None, changed)))
    raw = _raw_versions(lake, versions)
    if dates == [] or not raw:
        return None
    reach("kpi:plan")
    spark = start()
    pruning = None if dates is None else [("event_date", "in", dates)]
    rows = _BY_DAY[kpi.name](*(frames.read(spark, source, pruning) for source in sources.values()))
    return _publish(kpi, table, rows.toArrow(), versions, raw, computed_at, dates)


def _refresh_stock(lake: str, kpi: Kpi, table: DeltaTable, computed_at: datetime, start: Start) -> Refreshed | None:
    made_from = lineage.sources(lake, kpi.name, table.version())
    source = tables.open_table(lake, "events/stock")
    raw = _raw_versions(lake, {"events/stock": source.version()})
    ranges = lineage.new_offsets(lake, "raw/stock", made_from.get("raw/stock"), raw["raw/stock"]) if raw else []
    if ranges == []:
        return None
    reach("kpi:plan")
    spark = start()
    known = frames.read(spark, table) if ranges is not None else None
    new = events.within(frames.read(spark, source, frames.pruning(ranges, "source_")), ranges, "source_")
    rows = kpis.stock_position(known, new).toArrow()
    return _publish(kpi, table, rows, {"events/stock": source.version(), **raw}, raw, computed_at, None)


def _publish(
    kpi: Kpi,
    table: DeltaTable,
    rows: pa.Table,
    made_from: dict[str, int],
    raw: dict[str, int],
    computed_at: datetime,
    dates: Sequence[str] | None,
) -> Refreshed:
    """Replaces the rows of these dates, or all rows, in one commit."""
    proof = {
        "raw_versions": json.dumps({name.removeprefix("raw/"): version for name, version in sorted(raw.items())}),
        "computed_at": computed_at,
    }
    for name, value in proof.items():
        rows = rows.append_column(name, pa.repeat(pa.scalar(value, kpi.schema.field(name).type), len(rows)))
    point = kpi.name.replace("/", ":")
    reach(point)
    # Few rows, so they are written from here: a tenth of what a Spark write costs, against the very snapshot the lineage was
    # read from. The application transaction makes two runs at once conflict even over different dates.
    write_deltalake(
        table,
        rows.select(kpi.schema.names).cast(kpi.schema),
        mode="overwrite",
        predicate=None if dates is None else f"date IN ({', '.join(map(repr, dates))})",
        commit_properties=CommitProperties(
            custom_metadata={"userMetadata": lineage.describe(made_from)},
            app_transactions=[Transaction(APPLICATION, sum(made_from.values()))],
        ),
    )
    reach(f"{point}_committed")
    written = rows["date"].cast(pa.string()).unique().to_pylist() if "date" in rows.column_names else []
    return Refreshed(kpi.name, None, len(rows), sorted(dates or written))


def _raw_versions(lake: str, events: Mapping[str, int]) -> dict[str, int]:
    """Versions of the raw tables that events tables at these versions were made from, by table name."""
    return {raw: at for name, version in events.items() for raw, at in lineage.sources(lake, name, version).items()}
