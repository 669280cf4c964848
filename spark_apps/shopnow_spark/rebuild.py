"""Events and KPIs of a day made anew from raw, by the same functions as those of every run, and written where they differ.

On a sound lake nothing differs: the same digests are the proof. What is written is one commit a table, against the very
version that was compared, so of a rebuild and a refresh at once one starts over and no row is lost.
"""

import json
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from shopnow import schemas
from shopnow.errors import UserError
from shopnow.events import TOPICS, Topic
from shopnow.failpoints import reach
from shopnow.kpis import KPIS, Kpi
from shopnow.lake.delta import commit_metadata, tables
from shopnow.lake.ingest import data_loss
from shopnow.lake.ingest.data_loss import Loss
from shopnow.lake.lineage import day_offsets, lineage
from shopnow.lake.lineage.lineage import OffsetRange
from shopnow.lake.lineage.restatements import RESTATEMENTS
from shopnow_spark import affected_dates, events, kpi_writer, lake_reader, scheduler
from shopnow_spark.file_digest import Digest, digest
from shopnow_spark.kpi_writer import Computed, publish
from shopnow_spark.lake_reader import APPLICATION, Start
from shopnow_spark.planning import plan
from shopnow_spark.refresh_kpis import refresh_kpi
from shopnow_spark.result import Refreshed

ATTEMPTS = 3


class Rebuilt(NamedTuple):
    """The digests of a table's rows of the day, before and after, and what else a refresh of it did."""

    table: str
    before: Digest
    after: Digest
    refreshed: Refreshed | None = None

    def summary(self) -> str:
        """One line, and those of the refresh."""
        same = f"same digest {self.after}"
        first = f"{self.table}: {same if self.before == self.after else f'rebuilt: digest {self.before} -> {self.after}'}"
        return "\n".join([first, *([self.refreshed.summary()] if self.refreshed else [])])


def rebuild(lake: str, day: date, start: Start) -> list[Rebuilt | Refreshed]:
    """Makes the events of a day anew, then the KPIs of that day, and those without dates if what they are made from changed.

    Raises:
        UserError: raw no longer has all records that the day was made from; nothing more is begun.
        OSError: the lake was not reached.
    """
    computed = kpi_writer.now(lake)

    def kpi(each: Kpi) -> Rebuilt | Refreshed | None:
        concerning = data_loss.read(lake, each.topics)
        if each.partition_by:
            return rebuild_kpi(lake, each, concerning, day, computed, start)
        return refresh_kpi(lake, each, concerning, computed, start)

    work: dict[str, Callable[[], Rebuilt | Refreshed | None]] = {
        f"events/{name}": partial(rebuild_events, lake, topic, day, start) for name, topic in TOPICS.items()
    }
    work |= {each.name: partial(kpi, each) for each in KPIS}
    rebuilt = [each for each in scheduler.do(work).values() if each is not None]
    commit_metadata.collect(lake, RESTATEMENTS)
    return rebuilt


def rebuild_events(lake: str, topic: Topic, day: date, start: Start) -> Rebuilt | None:
    """Makes the rows of `events/{topic}` of a day anew from the records the table was made from; None if there are none."""
    for attempt in range(ATTEMPTS):
        table = tables.ensure(lake, f"events/{topic.name}", schemas.events(topic), ["event_date"])
        made_from = lineage.sources(lake, f"events/{topic.name}", table.version())
        if not made_from:
            return None
        try:
            return _rebuild_events(lake, topic, table, made_from, day, start)
        except CommitFailedError:
            if attempt + 1 == ATTEMPTS:
                raise
    return None


def _rebuild_events(
    lake: str, topic: Topic, table: DeltaTable, made_from: dict[str, int], day: date, start: Start
) -> Rebuilt | None:
    name, source = f"events/{topic.name}", f"raw/{topic.name}"
    records = day_offsets.records(lake, topic.name, made_from[source], day)
    pruning = [("event_date", "=", str(day))]
    if not records.ranges and not table.file_uris(file_pruning_predicate=pruning):
        return None
    reach("rebuild:plan")
    spark = start()
    present = lake_reader.read(spark, table, pruning)
    if not events.within(present, records.expired, "source_").isEmpty():
        raise UserError(
            f"events/{topic.name} has events of {day} whose records retention has removed from raw: it cannot be made anew"
        )
    rows = _of_raw(spark, lake, topic, made_from[source], records.ranges, day)
    [[low, high]] = rows.agg(F.min("event_id"), F.max("event_id")).collect()
    known = lake_reader.read(
        spark, table, [("event_id", ">=", low), ("event_id", "<=", high)] if low else pruning
    )
    rows = _not_known_elsewhere(rows, known, day)
    before, after = (digest(each.select(schemas.events(topic).names)) for each in (present, rows))
    if before != after:
        reach("rebuild:events")
        _replace(table, topic, rows, made_from, day)
        reach("rebuild:events_committed")
    return Rebuilt(name, before, after)


def _of_raw(
    spark: SparkSession, lake: str, topic: Topic, version: int, ranges: list[OffsetRange], day: date
) -> DataFrame:
    """The events of the day in raw at a version; a repeated record is repeated."""
    name = f"raw/{topic.name}"
    raw = tables.open_table(
        lake,
        name,
        lineage.latest_equivalent_version(lake, name, version, tables.open_table(lake, name).version()),
    )
    records = events.within(lake_reader.read(spark, raw, lake_reader.pruning(ranges)), ranges)
    return events.typed(records, topic).where(F.col("event_date") == F.lit(day))


def _not_known_elsewhere(rows: DataFrame, known: DataFrame, day: date) -> DataFrame:
    """One row an event_id, none that is known under another day; of repeated ones that which was taken, or else the first."""
    elsewhere = known.where(F.col("event_date") != F.lit(day)).select("event_id")
    place = ["event_id", "source_topic_id", "source_partition", "source_offset"]
    taken = known.where(F.col("event_date") == F.lit(day)).select(place)
    rows = rows.join(elsewhere, "event_id", "left_anti")
    kept = rows.join(taken, place, "left_semi")
    others = rows.join(kept.select("event_id"), "event_id", "left_anti")
    return events.first_of_each(kept).unionByName(events.first_of_each(others))


def _replace(table: DeltaTable, topic: Topic, rows: DataFrame, made_from: dict[str, int], day: date) -> None:
    schema = schemas.events(topic)
    write_deltalake(
        table,
        rows.toArrow().select(schema.names).cast(schema),
        mode="overwrite",
        predicate=f"event_date = '{day}'",
        commit_properties=CommitProperties(
            custom_metadata={
                "userMetadata": lineage.describe(made_from),
                lineage.REBUILD_KEY: json.dumps({"date": str(day)}),
            },
            app_transactions=[Transaction(APPLICATION, made_from[f"raw/{topic.name}"])],
        ),
    )


def rebuild_kpi(
    lake: str, kpi: Kpi, known: list[Loss], day: date, computed: Computed, start: Start
) -> Rebuilt | None:
    """Makes the KPI's rows of a day anew, with those of other days that changed meanwhile; None if it has none."""
    [date] = affected_dates.of_kpi(kpi, [day])
    pruning = [("date", "=", str(date))]
    for attempt in range(ATTEMPTS):
        planned = plan(lake, kpi, known, computed, start, also=[day])
        if planned is None:
            return None
        # As they will be in the table: the digest of a number depends on its type.
        spark, rows = (
            start(),
            planned.rows.toArrow()
            .select(kpi.content)
            .cast(pa.schema([kpi.schema.field(name) for name in kpi.content])),
        )
        of_day = (
            lake_reader.read(spark, planned.table, pruning),
            spark.createDataFrame(rows).where(F.col("date") == F.lit(date)),
        )
        before, after = (digest(each.select(kpi.content)) for each in of_day)
        if before == after and planned.dates == [str(date)] and not any(planned.changed.values()):
            return Rebuilt(kpi.name, before, after) if after.rows else None
        try:
            return Rebuilt(kpi.name, before, after, publish(planned, rows, computed))
        except CommitFailedError:
            if attempt + 1 == ATTEMPTS:
                raise
    return None
