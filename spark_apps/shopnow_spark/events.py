"""Parse raw records into typed events and deduplicate them."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopnow import schemas
from shopnow.events import Topic
from shopnow.lake.lineage.lineage import OffsetRange
from shopnow.schemas import PAYLOADS, TIMESTAMP


def filter_ranges(rows: DataFrame, ranges: Iterable[OffsetRange] | None, prefix: str = "") -> DataFrame:
    """Keep the rows of these offset ranges; all rows if None.

    Args:
        prefix: prefix of the columns topic_id, partition and offset.
    """
    if ranges is None:
        return rows
    topic_id, partition, offset = (F.col(f"{prefix}{name}") for name in ("topic_id", "partition", "offset"))
    in_ranges = F.lit(False)
    for range_ in ranges:
        in_ranges |= (
            (topic_id == range_.topic_id)
            & (partition == range_.partition)
            & (offset >= range_.start)
            & (offset < range_.end)
        )
    return rows.where(in_ranges)


def parse_events(raw: DataFrame, topic: Topic) -> DataFrame:
    """Parse the valid records of `raw/{topic}` into `events/{topic}`, with canonical values."""
    fields = schemas.event_fields(topic)
    # A raw table of an older version lacks some of the columns.
    text = F.coalesce(*(name for name in PAYLOADS if name in raw.columns)).cast("string")
    # Times as text: Spark would round some of them, and cannot parse others.
    read = pa.schema([_as_text(field) for field in fields])
    parsed = raw.where(F.col("problem").isNull()).withColumn(
        "event", F.from_json(text, schemas.spark_ddl(read))
    )
    columns = [_canonical(F.col("event")[field.name], field).alias(field.name) for field in fields]
    origin = [F.col(name).alias(f"source_{name}") for name in ("topic_id", "partition", "offset")]
    return parsed.select(*columns, *origin).withColumn("event_date", F.to_date("event_time"))


def deduplicate(events: DataFrame) -> DataFrame:
    """Keep one row per event_id: the one with the lowest partition, then offset."""
    order = Window.partitionBy("event_id").orderBy("source_partition", "source_offset", "source_topic_id")
    return events.withColumn("nth", F.row_number().over(order)).where("nth = 1").drop("nth")


def deduplicate_arrow(events: pa.Table) -> pa.Table:
    """Deduplicate like `deduplicate`, in Arrow."""
    order = pc.sort_indices(
        events, [(f"source_{name}", "ascending") for name in ("partition", "offset", "topic_id")]
    )
    numbered = pa.table(
        {"event_id": events["event_id"].take(order), "nth": pa.array(range(len(order)), pa.int64())}
    )
    firsts = numbered.group_by("event_id").aggregate([("nth", "min")])["nth_min"]
    # Duplicates are rare, and copying all events doubles the memory.
    return events if len(firsts) == len(events) else events.take(order.take(firsts.combine_chunks().sort()))


def _as_text(field: pa.Field) -> pa.Field:
    return field.with_type(pa.string()) if field.type == TIMESTAMP else field


def _canonical(value: Column, field: pa.Field) -> Column:
    """Return the canonical value, as of `shopnow.canonical`; text that is not in it has a payload."""
    if field.type == TIMESTAMP:
        return _timestamp(value)
    if field.type == pa.float64():
        return value + F.lit(0.0)
    return F.lower(value) if field.name == "event_id" else value


def _timestamp(text: Column) -> Column:
    """Return the time of an RFC 3339 text, truncated to milliseconds like `shopnow.event_times`.

    Landing accepts every form of RFC 3339; Spark accepts neither lower-case t and z nor offsets beyond 18
    hours.
    """
    upper, offset = F.upper(text), r"([+-])(\d\d):?(\d\d)$"
    hours, minutes = (
        F.coalesce(F.regexp_extract(upper, offset, group).try_cast("int"), F.lit(0)) for group in (2, 3)
    )
    east = F.when(F.regexp_extract(upper, offset, 1) == "-", -1).otherwise(1) * (hours * 60 + minutes).cast(
        "bigint"
    )
    wall = F.regexp_replace(upper, offset, "Z").try_cast("timestamp")
    shifted = F.timestamp_micros(F.unix_micros(wall) - east * F.lit(60_000_000))
    return F.date_trunc("millisecond", F.coalesce(text.try_cast("timestamp"), shifted))
