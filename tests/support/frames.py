"""Rows of Spark DataFrames in a form that tests can compare."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from shopnow import schemas
from shopnow.events import TOPICS, Event


def create(spark: SparkSession, table: pa.Table) -> DataFrame:
    """Create a frame of the table's rows; Spark Connect's client needs the schema of an empty one."""
    return spark.createDataFrame(table if len(table) else [], schemas.spark_ddl(table.schema))


def table_of(topic: str, *events: Event) -> pa.Table:
    """Return rows of `events/{topic}` from these events, as `parse_events` does; see test_events.py.

    Without that function, which test_events.py is about: its expressions would be in the plan of every KPI.
    """
    rows = [
        msgspec.to_builtins(event, builtin_types=(datetime,))
        | {"source_topic_id": "id", "source_partition": 0, "source_offset": offset}
        | {"event_date": event.event_time.astimezone(UTC).date()}
        for offset, event in enumerate(events)
    ]
    return pa.Table.from_pylist(rows, schemas.events(TOPICS[topic]))


def rows(frame: DataFrame, *columns: str, where: str = "true") -> list[tuple]:
    """Return these columns of the rows, sorted by value with nulls last.

    Dates and times are text, because Spark has some that Python's `date` and `datetime` cannot represent.
    """
    types = dict(frame.select(*columns).dtypes)
    selected = [
        F.col(name).cast("string") if types[name] in {"date", "timestamp"} else name for name in columns
    ]
    values = map(tuple, frame.where(where).select(*selected).collect())
    return sorted(values, key=_sort_key)


def _sort_key(row: tuple) -> list[tuple[bool, Any]]:
    return [(value is None, value) for value in row]
