"""Rebuild the events and KPIs of a day from raw, by the functions of a refresh, and replace rows that differ.

On a sound lake nothing differs, which equal digests prove. Each table is replaced in one commit against the
version that was compared, so of a concurrent rebuild and refresh one retries, and no row is lost.
"""

import json
from collections.abc import Callable, Collection
from datetime import date
from functools import partial
from typing import NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from shopnow import schemas
from shopnow.errors import UserError
from shopnow.events import TOPICS, Topic
from shopnow.failpoints import failpoint
from shopnow.kpis import KPIS, Kpi
from shopnow.lake.delta import commit_metadata, tables
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import data_loss
from shopnow.lake.ingest.data_loss import Loss
from shopnow.lake.lineage import day_offsets, lineage
from shopnow.lake.lineage.lineage import OffsetRange
from shopnow.lake.lineage.restatements import RESTATEMENTS
from shopnow_spark import affected_dates, events, kpi_writer, lake_reader, scheduler
from shopnow_spark.file_digest import Digest, digest
from shopnow_spark.kpi_writer import Computation, publish
from shopnow_spark.lake_reader import APPLICATION, Start
from shopnow_spark.planning import plan
from shopnow_spark.refresh_kpis import refresh_kpi
from shopnow_spark.result import Refreshed

ATTEMPTS = 3


class Rebuilt(NamedTuple):
    """Digests of a table's rows of the day before and after, and the result of the refresh it needed."""

    table: str
    before: Digest
    after: Digest
    refreshed: Refreshed | None = None

    def summary(self) -> str:
        """Return one line, and the lines of the refresh."""
        same = f"same digest {self.after}"
        outcome = same if self.before == self.after else f"rebuilt: digest {self.before} -> {self.after}"
        first = f"{self.table}: {outcome}"
        return "\n".join([first, *([self.refreshed.summary()] if self.refreshed else [])])


def rebuild(lake: str, day: date, start: Start) -> list[Rebuilt | Refreshed]:
    """Rebuild the events of a day, then the KPIs of that day; refresh KPIs without dates if needed.

    Raises:
        UserError: raw no longer has all records of the day; no further table is started.
        OSError: the lake does not answer.
    """
    computation = kpi_writer.start_computation(lake)

    def kpi(definition: Kpi) -> Rebuilt | Refreshed | None:
        losses = data_loss.read(lake, definition.topics)
        if definition.partition_by:
            return rebuild_kpi(lake, definition, losses, day, computation, start)
        return refresh_kpi(lake, definition, losses, computation, start)

    work: dict[str, Callable[[], Rebuilt | Refreshed | None]] = {
        f"events/{name}": partial(rebuild_events, lake, topic, day, start) for name, topic in TOPICS.items()
    }
    work |= {definition.name: partial(kpi, definition) for definition in KPIS}
    results = scheduler.run_in_dependency_order(work).values()
    rebuilt = [result for result in results if result is not None]
    commit_metadata.collect(lake, RESTATEMENTS)
    return rebuilt


def rebuild_events(
    lake: str, topic: Topic, day: date, start: Start, damaged: Collection[str] = ()
) -> Rebuilt | None:
    """Rebuild the day's rows of `events/{topic}` from the raw version of the table; None if it has none.

    Args:
        damaged: paths of files of the table that are not read; those of the day are replaced.
    """

    def attempt() -> Rebuilt | None:
        table = Table(lake, f"events/{topic.name}")
        snapshot = table.ensure(schemas.events(topic), ["event_date"])
        sources = lineage.sources(table, snapshot.version())
        return _rebuild_events(lake, topic, snapshot, sources, day, start, damaged) if sources else None

    return retry_on_conflict(attempt, on=CommitFailedError, attempts=ATTEMPTS)


def _rebuild_events(
    lake: str,
    topic: Topic,
    table: DeltaTable,
    sources: dict[str, int],
    day: date,
    start: Start,
    damaged: Collection[str],
) -> Rebuilt | None:
    name, source = f"events/{topic.name}", f"raw/{topic.name}"
    records = day_offsets.find_offsets(lake, topic.name, sources[source], day)
    pruning = [("event_date", "=", str(day))]
    if not records.ranges and not table.file_uris(file_pruning_predicate=pruning):
        return None
    failpoint("rebuild:plan")
    spark = start()
    present = lake_reader.read(spark, table, pruning, damaged)
    if not events.filter_ranges(present, records.expired, "source_").isEmpty():
        raise UserError(
            f"events/{topic.name} has events of {day} whose records retention has removed from raw: "
            "the day cannot be rebuilt"
        )
    rows = _raw_events(spark, lake, topic, sources[source], records.ranges, day, newest=bool(damaged))
    [[low, high]] = rows.agg(F.min("event_id"), F.max("event_id")).collect()
    known = lake_reader.read(
        spark, table, [("event_id", ">=", low), ("event_id", "<=", high)] if low else pruning, damaged
    )
    rows = _deduplicate_against(rows, known, day)
    before, after = (digest(frame.select(schemas.events(topic).names)) for frame in (present, rows))
    is_damaged = any(uri.endswith(tuple(damaged)) for uri in table.file_uris(file_pruning_predicate=pruning))
    if before != after or (damaged and is_damaged):
        _require_nothing_removed(spark, lake, topic, sources[source], present, known, rows, day)
        failpoint("rebuild:events")
        _replace(table, topic, rows, sources, day)
        failpoint("rebuild:events_committed")
    return Rebuilt(name, before, after)


def _raw_events(
    spark: SparkSession,
    lake: str,
    topic: Topic,
    version: int,
    ranges: list[OffsetRange],
    day: date,
    *,
    newest: bool,
) -> DataFrame:
    """Parse the day's events from raw at a version; duplicates are kept.

    Args:
        newest: read the records of that version from the newest one, whose files have been repaired.
    """
    table = Table(lake, f"raw/{topic.name}")
    latest = table.version()
    raw = table.open(latest if newest else lineage.latest_equivalent_version(table, version, latest))
    records = events.filter_ranges(lake_reader.read(spark, raw, lake_reader.file_pruning(ranges)), ranges)
    return events.parse_events(records, topic).where(F.col("event_date") == F.lit(day))


def _require_nothing_removed(
    spark: SparkSession,
    lake: str,
    topic: Topic,
    version: int,
    present: DataFrame,
    known: DataFrame,
    rows: DataFrame,
    day: date,
) -> None:
    """Check that every event that the rebuilt rows lack is one that raw does not have as a valid record.

    Raises:
        UserError: Spark does not read a valid record of raw as the event of this day that the table has.
    """
    source = [F.col(f"source_{name}").alias(name) for name in ("topic_id", "partition", "offset")]
    kept = rows.select("event_id")
    elsewhere = known.where(F.col("event_date") != F.lit(day)).select("event_id")
    removed = present.join(kept, "event_id", "left_anti").join(elsewhere, "event_id", "left_anti")
    records = [
        OffsetRange(row["topic_id"], row["partition"], row["offset"], row["offset"] + 1)
        for row in removed.select(*source).collect()
    ]
    if not records:
        return
    table = Table(lake, f"raw/{topic.name}")
    raw = table.open(lineage.latest_equivalent_version(table, version, table.version()))
    for first in range(0, len(records), lineage.MAX_RANGES):
        ranges = records[first : first + lineage.MAX_RANGES]
        valid = events.filter_ranges(lake_reader.read(spark, raw, lake_reader.file_pruning(ranges)), ranges)
        row = valid.where(F.col("problem").isNull()).select("partition", "offset").first()
        if row is not None:
            raise UserError(
                f"events/{topic.name}: the rebuilt day would lack the event of partition {row['partition']} "
                f"offset {row['offset']}, which raw has as a valid record; the day's present events stay. "
                "Run ./shopnow verify"
            )


def _deduplicate_against(rows: DataFrame, known: DataFrame, day: date) -> DataFrame:
    """Keep one row per event_id, and none that is stored under another day.

    Of duplicates the row already stored is kept, or else the first.
    """
    elsewhere = known.where(F.col("event_date") != F.lit(day)).select("event_id")
    identity = ["event_id", "source_topic_id", "source_partition", "source_offset"]
    stored = known.where(F.col("event_date") == F.lit(day)).select(identity)
    rows = rows.join(elsewhere, "event_id", "left_anti")
    kept = rows.join(stored, identity, "left_semi")
    others = rows.join(kept.select("event_id"), "event_id", "left_anti")
    return events.deduplicate(kept).unionByName(events.deduplicate(others))


def _replace(table: DeltaTable, topic: Topic, rows: DataFrame, sources: dict[str, int], day: date) -> None:
    schema = schemas.events(topic)
    tables.write(
        table,
        rows.toArrow().select(schema.names).cast(schema),
        mode="overwrite",
        predicate=f"event_date = '{day}'",
        commit_properties=CommitProperties(
            custom_metadata={
                "userMetadata": lineage.describe(sources),
                lineage.REBUILD_KEY: json.dumps({"date": str(day)}),
            },
            app_transactions=[Transaction(APPLICATION, sources[f"raw/{topic.name}"])],
        ),
    )


def rebuild_kpi(
    lake: str, kpi: Kpi, losses: list[Loss], day: date, computation: Computation, start: Start
) -> Rebuilt | None:
    """Rebuild the KPI's rows of a day and of days changed since the last refresh; None if there are none."""
    [date] = affected_dates.kpi_dates(kpi, [day])
    pruning = [("date", "=", str(date))]

    def attempt() -> Rebuilt | None:
        kpi_plan = plan(lake, kpi, losses, computation, start, also=[day])
        if kpi_plan is None:
            return None
        # In the types of the table, as the digest of a number depends on its type.
        content = pa.schema([kpi.schema.field(name) for name in kpi.value_columns])
        spark, rows = start(), kpi_plan.rows.toArrow().select(kpi.value_columns).cast(content)
        of_day = (
            lake_reader.read(spark, kpi_plan.table, pruning),
            spark.createDataFrame(rows).where(F.col("date") == F.lit(date)),
        )
        before, after = (digest(frame.select(kpi.value_columns)) for frame in of_day)
        if before == after and kpi_plan.dates == [str(date)] and not any(kpi_plan.changed.values()):
            return Rebuilt(kpi.name, before, after) if after.rows else None
        return Rebuilt(kpi.name, before, after, publish(kpi_plan, rows, computation))

    return retry_on_conflict(attempt, on=CommitFailedError, attempts=ATTEMPTS)
