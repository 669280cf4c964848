"""New rows of raw tables into events tables."""

from datetime import datetime

from delta.exceptions import ConcurrentAppendException, ConcurrentDeleteReadException, ConcurrentTransactionException
from delta.tables import DeltaTable as SparkTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from shopnow import schemas
from shopnow.events import Topic
from shopnow.killpoints import reach
from shopnow.lake import lineage, tables
from shopnow_spark import events, frames
from shopnow_spark.frames import Start
from shopnow_spark.refreshed import Refreshed

ATTEMPTS = 3


def refresh_events(lake: str, topic: Topic, start: Start) -> Refreshed | None:
    """Takes the new rows of `raw/{topic}` into `events/{topic}`; None if there are none."""
    source, target = f"raw/{topic.name}", f"events/{topic.name}"
    for attempt in range(ATTEMPTS):
        version = tables.ensure(lake, target, schemas.events(topic), ["event_date"]).version()
        made_from, made_at = lineage.made(lake, target, version)
        raw = frames.open_or_none(lake, source)
        if raw is None or not raw.file_uris():
            return None
        ranges = lineage.new_offsets(lake, source, made_from.get(source), raw.version())
        if ranges == []:
            return None
        reach("kpi:plan")
        records = raw.count() if ranges is None else sum(each.end - each.start for each in ranges)
        spark = frames.session(start(), lineage.describe({source: raw.version()}), raw.version(), records)
        rows = events.typed(events.within(frames.read(spark, raw, frames.pruning(ranges)), ranges), topic)
        try:
            if (done := _insert(spark, lake, target, rows)) is None:
                continue  # a later version's rows were here first, or these were read before an erasure: look again
            return done._replace(late=_late(lake, done, version, made_at))
        except (ConcurrentAppendException, ConcurrentDeleteReadException, ConcurrentTransactionException):
            if attempt + 1 == ATTEMPTS:
                raise
    return None


def _insert(spark: SparkSession, lake: str, name: str, rows: DataFrame) -> Refreshed | None:
    """Adds the events whose event_id the table does not have yet; None if Spark left it out, by its application transaction."""
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
    if inserted is None:
        return None
    return Refreshed(name, sum(day["rows"] for day in days), inserted["num_inserted_rows"], [day["date"] for day in days])


def _late(lake: str, done: Refreshed, version: int, made_at: datetime | None) -> int:
    """How many of the rows written since this version are of dates that were over when the table was made."""
    if not done.written or made_at is None or min(done.dates) >= str(made_at.date()):
        return 0
    added = lineage.changed_dates(lake, done.table, version, tables.open_table(lake, done.table).version()) or {}
    return sum(rows or 0 for date, rows in added.items() if date < str(made_at.date()))
