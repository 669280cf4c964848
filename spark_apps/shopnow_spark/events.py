"""Raw records into typed events."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopnow import schemas
from shopnow.events import Topic
from shopnow.lake.lineage.lineage import OffsetRange
from shopnow.schemas import TIMESTAMP


def within(rows: DataFrame, ranges: Iterable[OffsetRange] | None, prefix: str = "") -> DataFrame:
    """The rows of these offset ranges, or all of them; `prefix` stands before the columns topic_id, partition and offset."""
    if ranges is None:
        return rows
    topic_id, partition, offset = (F.col(f"{prefix}{name}") for name in ("topic_id", "partition", "offset"))
    chosen = F.lit(False)
    for each in ranges:
        chosen |= (
            (topic_id == each.topic_id)
            & (partition == each.partition)
            & (offset >= each.start)
            & (offset < each.end)
        )
    return rows.where(chosen)


def typed(raw: DataFrame, topic: Topic) -> DataFrame:
    """The valid records of `raw/{topic}`, as corrected, with the columns of `events/{topic}`; a repeated record is repeated."""
    fields = schemas.event_fields(topic)
    text = F.coalesce("correction", "value").cast("string")
    parsed = raw.where(F.col("problem").isNull()).withColumn(
        "event", F.from_json(text, schemas.spark_ddl(fields))
    )
    columns = [
        _timestamp(F.col("event")[field.name], F.get_json_object(text, f"$.{field.name}")).alias(field.name)
        if field.type == TIMESTAMP
        else F.col("event")[field.name].alias(field.name)
        for field in fields
    ]
    origin = [F.col(name).alias(f"source_{name}") for name in ("topic_id", "partition", "offset")]
    return parsed.select(*columns, *origin).withColumn("event_date", F.to_date("event_time"))


def first_of_each(events: DataFrame) -> DataFrame:
    """One row an event_id: of those with the same, the one with the lowest partition, then offset."""
    order = Window.partitionBy("event_id").orderBy("source_partition", "source_offset", "source_topic_id")
    return events.withColumn("nth", F.row_number().over(order)).where("nth = 1").drop("nth")


def first_of_those(events: pa.Table) -> pa.Table:
    """What `first_of_each` gives, of events that are here."""
    order = pc.sort_indices(
        events, [(f"source_{name}", "ascending") for name in ("partition", "offset", "topic_id")]
    )
    numbered = pa.table(
        {"event_id": events["event_id"].take(order), "nth": pa.array(range(len(order)), pa.int64())}
    )
    firsts = numbered.group_by("event_id").aggregate([("nth", "min")])["nth_min"]
    # Hardly ever is one repeated, and a copy of all of them takes as much memory again.
    return events if len(firsts) == len(events) else events.take(order.take(firsts.combine_chunks().sort()))


def _timestamp(parsed: Column, text: Column) -> Column:
    """The parsed time, or where Spark's parser gave up, that of the RFC 3339 text.

    Landing accepts every spelling of RFC 3339; Spark knows no lower-case t and z, and no offset beyond 18 hours.
    """
    upper, offset = F.upper(text), r"([+-])(\d\d):?(\d\d)$"
    hours, minutes = (
        F.coalesce(F.regexp_extract(upper, offset, group).try_cast("int"), F.lit(0)) for group in (2, 3)
    )
    east = F.when(F.regexp_extract(upper, offset, 1) == "-", -1).otherwise(1) * (hours * 60 + minutes).cast(
        "bigint"
    )
    wall = F.regexp_replace(upper, offset, "Z").try_cast("timestamp")
    return F.coalesce(parsed, F.timestamp_micros(F.unix_micros(wall) - east * F.lit(60_000_000)))
