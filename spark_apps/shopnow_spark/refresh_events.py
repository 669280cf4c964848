"""Parse new rows of raw tables into events tables, deduplicated by event_id."""

import re
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from delta.exceptions import (
    ConcurrentAppendException,
    ConcurrentDeleteReadException,
    ConcurrentTransactionException,
)
from delta.tables import DeltaTable as SparkTable
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from shopnow import schemas
from shopnow.events import Topic
from shopnow.failpoints import failpoint
from shopnow.lake.delta import tables
from shopnow.lake.delta.conflicts import CommitConflict, retry_on_conflict
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage import lineage
from shopnow.lake.lineage.lineage import OffsetRange
from shopnow_spark import decoded_events, events, lake_reader
from shopnow_spark.lake_reader import APPLICATION, Start
from shopnow_spark.result import Refreshed

ATTEMPTS = 3

# Conflicts as delta-rs and Spark report them.
_CONFLICTS = (
    CommitFailedError,
    ConcurrentAppendException,
    ConcurrentDeleteReadException,
    ConcurrentTransactionException,
)

_PLAIN = re.compile(r"[0-9A-Za-z-]+")

MAX_DECODED_RECORDS = 50_000
"""Up to this many records are decoded here, in 1.5 s and 0.1 GB; Spark parses more."""

MAX_APPEND_RECORDS = 700_000
"""delta-rs appends up to this many records, in 0.8 GB; Spark merges more, at 2.5 times the CPU time."""


def refresh_events(lake: str, topic: Topic, start: Start) -> Refreshed | None:
    """Add the new rows of `raw/{topic}` to `events/{topic}`; None if there are none."""
    source, target = Table(lake, f"raw/{topic.name}"), Table(lake, f"events/{topic.name}")

    def attempt() -> Refreshed | None:
        table = target.ensure(schemas.events(topic), ["event_date"])
        version = table.version()
        sources, materialized_at = lineage.last_materialization(target, version)
        raw = source.open_if_exists()
        if raw is None or not raw.file_uris():
            return None
        ranges = lineage.new_offsets(source, sources.get(source.name), raw.version())
        if ranges == []:
            return None
        failpoint("kpi:plan")
        records = raw.count() if ranges is None else sum(range_.end - range_.start for range_ in ranges)
        metadata = lineage.describe({source.name: raw.version()})
        if records <= MAX_DECODED_RECORDS:
            decoded = decoded_events.read(raw, topic, ranges)
            refreshed = _append(table, target.name, decoded, metadata, raw.version())
        elif records <= MAX_APPEND_RECORDS:
            spark = lake_reader.session_for(lake_reader.for_bulk(start()), records)
            # No variable keeps the rows, whose copies `_append` frees.
            refreshed = _append(
                table, target.name, _parse(spark, raw, topic, ranges).toArrow(), metadata, raw.version()
            )
        else:
            spark = lake_reader.for_bulk(start())
            spark = lake_reader.commit_session(spark, metadata, raw.version(), records)
            refreshed = _merge(spark, target, _parse(spark, raw, topic, ranges))
        if refreshed is None:
            # A concurrent run committed this or a later version of raw, or an erasure changed raw.
            raise CommitConflict
        return refreshed._replace(late=_count_late(target, refreshed, version, materialized_at))

    try:
        return retry_on_conflict(attempt, on=(CommitConflict, *_CONFLICTS), attempts=ATTEMPTS)
    except CommitConflict:
        return None


def _parse(
    spark: SparkSession, raw: DeltaTable, topic: Topic, ranges: Sequence[OffsetRange] | None
) -> DataFrame:
    records = lake_reader.read(spark, raw, lake_reader.file_pruning(ranges))
    return events.parse_events(events.filter_ranges(records, ranges), topic)


def _append(table: DeltaTable, name: str, rows: pa.Table, metadata: str, version: int) -> Refreshed | None:
    """Append the events with a new event_id; None if the table already has this or a later version of raw.

    Raises:
        CommitFailedError: the table changed after it was opened, other than by compaction.
    """
    committed = table.transaction_version(APPLICATION)
    if committed is not None and committed >= version:
        return None
    schema = pa.schema(table.schema().to_arrow())
    rows = rows.select(schema.names).cast(schema)
    records, new = len(rows), events.deduplicate_arrow(rows)
    del rows  # each copy of many records takes some hundred megabytes
    spans = (
        new.group_by("event_date")
        .aggregate([("event_id", "min"), ("event_id", "max")])
        .sort_by("event_date")
        .to_pylist()
    )
    if spans:
        # One range of ids per day lets file statistics prune the files that cannot hold a duplicate.
        ranges = " OR ".join(_between(span["event_id_min"], span["event_id_max"]) for span in spans)
        known = pc.is_in(new["event_id"], tables.read(table, ["event_id"], ranges)["event_id"])
        if pc.any(known).as_py():
            new = new.filter(pc.invert(known))
    failpoint("kpi:events")
    # The app transaction makes this conflict with a concurrent run or erasure, so the rows read are current.
    properties = CommitProperties(
        custom_metadata={"userMetadata": metadata}, app_transactions=[Transaction(APPLICATION, version)]
    )
    tables.write(table, new, commit_properties=properties)
    failpoint("kpi:events_committed")
    return Refreshed(name, records, len(new), [str(span["event_date"]) for span in spans])


def _between(low: str, high: str) -> str:
    """Return the SQL condition on event_id, without a bound that has special characters."""
    bounds = [
        f"event_id {sign} '{bound}'" for sign, bound in ((">=", low), ("<=", high)) if _PLAIN.fullmatch(bound)
    ]
    return f"({' AND '.join(bounds) or 'true'})"


def _merge(spark: SparkSession, target: Table, rows: DataFrame) -> Refreshed | None:
    """Merge the events with a new event_id; None if Spark skipped the commit by its app transaction."""
    by_date = rows.groupBy(F.col("event_date").cast("string").alias("date"))
    days = (
        by_date.agg(
            F.count("*").alias("rows"), F.min("event_id").alias("low"), F.max("event_id").alias("high")
        )
        .orderBy("date")
        .collect()
    )
    # An event_id starts with its time, so the ids of a day lie close together: one range of ids per day lets
    # file statistics prune all other files, yet a duplicate is found even under another date.
    known = F.lit(False)
    for day in days:
        known |= F.col("known.event_id").between(day["low"], day["high"])
    failpoint("kpi:events")
    inserted = (
        SparkTable.forPath(spark, target.uri)
        .alias("known")
        # A merge commits against the rows it read, so of two concurrent runs one retries.
        .merge(
            events.deduplicate(rows).alias("new"),
            known & (F.col("known.event_id") == F.col("new.event_id")),
        )
        .whenNotMatchedInsertAll()
        .execute()
        .first()
    )
    failpoint("kpi:events_committed")
    if inserted is None:
        return None
    read = sum(day["rows"] for day in days)
    return Refreshed(target.name, read, inserted["num_inserted_rows"], [day["date"] for day in days])


def _count_late(target: Table, refreshed: Refreshed, version: int, materialized_at: datetime | None) -> int:
    """Count the rows added since this version whose dates had ended before the previous refresh."""
    if not refreshed.written or materialized_at is None:
        return 0
    last_refresh_date = str(materialized_at.date())
    if min(refreshed.dates) >= last_refresh_date:
        return 0
    added = lineage.changed_dates(target, version, target.version()) or {}
    return sum(rows or 0 for date, rows in added.items() if date < last_refresh_date)
