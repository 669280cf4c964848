"""New rows of raw tables into events tables."""

import re
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from delta.exceptions import (
    ConcurrentAppendException,
    ConcurrentDeleteReadException,
    ConcurrentTransactionException,
)
from delta.tables import DeltaTable as SparkTable
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from shopnow import schemas
from shopnow.events import Topic
from shopnow.failpoints import reach
from shopnow.lake.delta import tables
from shopnow.lake.lineage import lineage
from shopnow_spark import events, lake_reader
from shopnow_spark.lake_reader import APPLICATION, Start
from shopnow_spark.result import Refreshed

ATTEMPTS = 3

_PLAIN = re.compile(r"[0-9A-Za-z-]+")

MOST_HERE = 700_000
"""Up to so many records are added from here, in 0.8 GB of memory, more by Spark, whose merge takes two and a half times the CPU time."""


def refresh_events(lake: str, topic: Topic, start: Start) -> Refreshed | None:
    """Takes the new rows of `raw/{topic}` into `events/{topic}`; None if there are none."""
    source, target = f"raw/{topic.name}", f"events/{topic.name}"
    for attempt in range(ATTEMPTS):
        table = tables.ensure(lake, target, schemas.events(topic), ["event_date"])
        version = table.version()
        made_from, made_at = lineage.last_materialization(lake, target, version)
        raw = lake_reader.open_or_none(lake, source)
        if raw is None or not raw.file_uris():
            return None
        ranges = lineage.new_offsets(lake, source, made_from.get(source), raw.version())
        if ranges == []:
            return None
        reach("kpi:plan")
        records = raw.count() if ranges is None else sum(each.end - each.start for each in ranges)
        metadata = lineage.describe({source: raw.version()})
        spark = lake_reader.session(start(), metadata, raw.version(), records)
        rows = events.typed(
            events.within(lake_reader.read(spark, raw, lake_reader.pruning(ranges)), ranges), topic
        )
        try:
            done = (
                _append(table, target, rows, metadata, raw.version())
                if records <= MOST_HERE
                else _merge(spark, lake, target, rows)
            )
            if done is None:
                continue  # a later version's rows were here first, or these were read before an erasure: look again
            return done._replace(late=_late(lake, done, version, made_at))
        except (
            CommitFailedError,
            ConcurrentAppendException,
            ConcurrentDeleteReadException,
            ConcurrentTransactionException,
        ):
            if attempt + 1 == ATTEMPTS:
                raise
    return None


def _append(table: DeltaTable, name: str, rows: DataFrame, metadata: str, version: int) -> Refreshed | None:
    """Adds the events whose event_id the table does not have yet; None if those of this version of raw, or a later, are there.

    Raises:
        CommitFailedError: the table has changed since it was opened, in more than the files its rows are in.
    """
    there = table.transaction_version(APPLICATION)
    if there is not None and there >= version:
        return None
    schema = pa.schema(table.schema().to_arrow())
    read = rows.toArrow().select(schema.names).cast(schema)
    records, new = len(read), events.first_of_those(read)
    del read  # of many records each copy is some hundred megabytes
    spans = (
        new.group_by("event_date")
        .aggregate([("event_id", "min"), ("event_id", "max")])
        .sort_by("event_date")
        .to_pylist()
    )
    if spans:
        # As in a merge: by one range a day, files are left unread that cannot hold one of them.
        ranges = " OR ".join(_between(span["event_id_min"], span["event_id_max"]) for span in spans)
        known = pc.is_in(new["event_id"], tables.read(table, ["event_id"], ranges)["event_id"])
        if pc.any(known).as_py():
            new = new.filter(pc.invert(known))
    reach("kpi:events")
    # The application transaction makes two runs at once, or a run and an erasure, conflict: it commits against the rows it looked at.
    properties = CommitProperties(
        custom_metadata={"userMetadata": metadata}, app_transactions=[Transaction(APPLICATION, version)]
    )
    write_deltalake(table, new, mode="append", commit_properties=properties)
    reach("kpi:events_committed")
    return Refreshed(name, records, len(new), [str(span["event_date"]) for span in spans])


def _between(low: str, high: str) -> str:
    """The SQL condition; an id may be any text, and what is no plain one is no bound."""
    bounds = [
        f"event_id {sign} '{bound}'" for sign, bound in ((">=", low), ("<=", high)) if _PLAIN.fullmatch(bound)
    ]
    return f"({' AND '.join(bounds) or 'true'})"


def _merge(spark: SparkSession, lake: str, name: str, rows: DataFrame) -> Refreshed | None:
    """Adds the events whose event_id the table does not have yet; None if Spark left it out, by its application transaction."""
    by_date = rows.groupBy(F.col("event_date").cast("string").alias("date"))
    days = (
        by_date.agg(
            F.count("*").alias("rows"), F.min("event_id").alias("low"), F.max("event_id").alias("high")
        )
        .orderBy("date")
        .collect()
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
        .merge(
            events.first_of_each(rows).alias("new"),
            known & (F.col("known.event_id") == F.col("new.event_id")),
        )
        .whenNotMatchedInsertAll()
        .execute()
        .first()
    )
    reach("kpi:events_committed")
    if inserted is None:
        return None
    return Refreshed(
        name, sum(day["rows"] for day in days), inserted["num_inserted_rows"], [day["date"] for day in days]
    )


def _late(lake: str, done: Refreshed, version: int, made_at: datetime | None) -> int:
    """How many of the rows written since this version are of dates that were over when the table was made."""
    if not done.written or made_at is None or min(done.dates) >= str(made_at.date()):
        return 0
    added = (
        lineage.changed_dates(lake, done.table, version, tables.open_table(lake, done.table).version()) or {}
    )
    return sum(rows or 0 for date, rows in added.items() if date < str(made_at.date()))
