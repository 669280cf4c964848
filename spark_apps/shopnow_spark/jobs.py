"""Bringing the lake's derived tables up to date: what is read, written and committed.

Every step first asks the lake, without Spark, what is new since the commit that last wrote the table, and does nothing
when that is nothing. Rows and the versions they were made from are one commit, so a run may be killed, repeated or run
twice at once: what was committed stays and the rest is done by the next run.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple

import pyarrow as pa
from delta.exceptions import ConcurrentAppendException, ConcurrentDeleteReadException, ConcurrentTransactionException
from delta.tables import DeltaTable as SparkTable
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from shopnow import schemas
from shopnow.events import TOPICS, Topic
from shopnow.killpoints import reach
from shopnow.kpis import KPIS, SALES_DAILY, SALES_HOURLY, STOCK_POSITION, TOP_PRODUCTS, Kpi
from shopnow.lake import lineage, tables
from shopnow.lake.lineage import OffsetRange
from shopnow_spark import events, kpis

APPLICATION = "compute_kpis"
ATTEMPTS = 3
# More than there are cores: much of a commit is waiting for HDFS.
THREADS = 4
# Records from which compiling expressions takes less time than it saves.
WORTH_COMPILING = 30_000

Pruning = list | None
"""Which files of a table to read: conditions on partition columns and statistics as `DeltaTable.file_uris` takes them, or all files."""

Start = Callable[[], SparkSession]
"""Gives the Spark session; called only when there is work for it."""

_BY_DAY: dict[str, Callable[..., DataFrame]] = {
    SALES_HOURLY.name: kpis.sales_hourly,
    SALES_DAILY.name: kpis.sales_daily,
    TOP_PRODUCTS.name: kpis.top_products,
}


class Refreshed(NamedTuple):
    """What was done to a table: the new rows it was given, if it was given rows, those written, and their dates, if it has dates."""

    table: str
    read: int | None
    written: int
    dates: Sequence[str] = ()


def refresh(lake: str, start: Start) -> list[Refreshed]:
    """Brings all events and KPIs up to date; gives what was done, so nothing for tables that were up to date.

    Raises:
        OSError: the lake was not reached.
    """
    computed_at = datetime.now(UTC)
    with ThreadPoolExecutor(THREADS) as pool:
        done = list(pool.map(lambda topic: refresh_events(lake, topic, start), TOPICS.values()))
        done += pool.map(lambda kpi: refresh_kpi(lake, kpi, computed_at, start), KPIS)
    return [each for each in done if each]


def refresh_events(lake: str, topic: Topic, start: Start) -> Refreshed | None:
    """Takes the new rows of `raw/{topic}` into `events/{topic}`; None if there are none."""
    source, target = f"raw/{topic.name}", f"events/{topic.name}"
    for attempt in range(ATTEMPTS):
        version = tables.ensure(lake, target, schemas.events(topic), ["event_date"]).version()
        raw = _open(lake, source)
        if raw is None or not raw.file_uris():
            return None
        ranges = lineage.new_offsets(lake, source, lineage.sources(lake, target, version).get(source), raw.version())
        if ranges == []:
            return None
        reach("kpi:plan")
        records = raw.count() if ranges is None else sum(each.end - each.start for each in ranges)
        spark = _session(start(), lineage.describe({source: raw.version()}), raw.version(), records)
        rows = events.typed(events.within(_read(spark, raw, _pruning(ranges)), ranges), topic)
        try:
            return _insert(spark, lake, target, rows)
        except (ConcurrentAppendException, ConcurrentDeleteReadException, ConcurrentTransactionException):
            if attempt + 1 == ATTEMPTS:
                raise
    return None


def _session(spark: SparkSession, metadata: str, version: int, records: int) -> SparkSession:
    """A session for one commit: it carries the metadata, even if it adds no row, and is left out if a later version's came first."""
    session = spark.newSession()
    session.conf.set("spark.databricks.delta.commitInfo.userMetadata", metadata)
    session.conf.set("spark.databricks.delta.skipRecordingEmptyCommits", "false")
    session.conf.set("spark.databricks.delta.write.txnAppId", APPLICATION)
    session.conf.set("spark.databricks.delta.write.txnVersion", str(version))
    if records >= WORTH_COMPILING:
        session.conf.set("spark.sql.codegen.wholeStage", "true")
        session.conf.set("spark.sql.codegen.factoryMode", "FALLBACK")
    return session


def _insert(spark: SparkSession, lake: str, name: str, rows: DataFrame) -> Refreshed:
    """Adds the events whose event_id the table does not have yet."""
    by_date = rows.groupBy(F.col("event_date").cast("string").alias("date"))
    days = (
        by_date.agg(F.count("*").alias("rows"), F.min("event_id").alias("low"), F.max("event_id").alias("high")).orderBy("date").collect()
    )
    # An event_id begins with its time, so those of a day lie close together: with one range of them a day, Delta's file
    # statistics leave all other files unread, yet a duplicate is found even under another date.
    known = F.lit(False)
    for day in days:
        known |= F.col("known.event_id").between(day["low"], day["high"])
    reach("kpi:events")
    inserted = (
        SparkTable.forPath(spark, tables.uri(lake, name))
        .alias("known")
        # A merge, not an append: it commits against the rows it looked at, so of two runs at once one starts over.
        .merge(events.first_of_each(rows).alias("new"), known & (F.col("known.event_id") == F.col("new.event_id")))
        .whenNotMatchedInsertAll()
        .execute()
        .first()
    )
    reach("kpi:events_committed")
    written = inserted["num_inserted_rows"] if inserted else 0  # no answer if another run was here first
    return Refreshed(name, sum(day["rows"] for day in days), written, [day["date"] for day in days])


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
    frames = [_read(spark, source, None if dates is None else [("event_date", "in", dates)]) for source in sources.values()]
    return _publish(kpi, table, _BY_DAY[kpi.name](*frames).toArrow(), versions, raw, computed_at, dates)


def _refresh_stock(lake: str, kpi: Kpi, table: DeltaTable, computed_at: datetime, start: Start) -> Refreshed | None:
    made_from = lineage.sources(lake, kpi.name, table.version())
    source = tables.open_table(lake, "events/stock")
    raw = _raw_versions(lake, {"events/stock": source.version()})
    ranges = lineage.new_offsets(lake, "raw/stock", made_from.get("raw/stock"), raw["raw/stock"]) if raw else []
    if ranges == []:
        return None
    reach("kpi:plan")
    spark = start()
    known = _read(spark, table) if ranges is not None else None
    new = events.within(_read(spark, source, _pruning(ranges, "source_")), ranges, "source_")
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


def _open(lake: str, name: str) -> DeltaTable | None:
    try:
        return tables.open_table(lake, name)
    except TableNotFoundError:
        return None


def _read(spark: SparkSession, table: DeltaTable, pruning: Pruning = None) -> DataFrame:
    """The rows of those of the table's files that may hold what is looked for.

    The files are looked up here, where the table is open; Spark's Delta reader would run two jobs to find them. As all tables
    have plain features only, files are all there is to know.
    """
    schema = pa.schema(table.schema().to_arrow())
    files = table.file_uris(file_pruning_predicate=pruning)
    if not files:
        return spark.createDataFrame([], schemas.spark_ddl(schema))
    return spark.read.schema(schemas.spark_ddl(schema)).option("basePath", table.table_uri).parquet(*files)


def _pruning(ranges: Sequence[OffsetRange] | None, prefix: str = "") -> Pruning:
    if ranges is None:
        return None
    partition, offset = f"{prefix}partition", f"{prefix}offset"
    return [[(partition, "=", each.partition), (offset, ">=", each.start), (offset, "<", each.end)] for each in ranges]
