"""Fixtures that create frames of raw records, of events and of KPI rows."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from shopnow import schemas
from shopnow.events import TOPICS, Event
from shopnow.kpis import Kpi
from shopnow.schemas import RAW

RAW_COLUMNS = ("topic_id", "partition", "offset", "value", "problem", "correction")

RawOf = Callable[..., DataFrame]
EventsOf = Callable[..., DataFrame]
TableOf = Callable[..., DataFrame]


@pytest.fixture(scope="session")
def raw_of(spark: SparkSession) -> RawOf:
    """Create rows of a raw table: one per value, at offsets 0, 1, …, with these problems and corrections."""
    schema = pa.schema([RAW.field(name) for name in RAW_COLUMNS])

    def make(
        values: Sequence[bytes],
        problems: Sequence[str | None] = (),
        partition: int = 0,
        corrections: Sequence[bytes | None] = (),
    ) -> DataFrame:
        count = len(values)
        columns = [["id"] * count, [partition] * count, range(count), values]
        columns += [problems or [None] * count, corrections or [None] * count]
        return spark.createDataFrame(pa.table(columns, schema=schema))

    return make


@pytest.fixture(scope="session")
def events_of(spark: SparkSession) -> EventsOf:
    """Create rows of `events/{topic}` from these events, as `parse_events` does; see test_events.py.

    Without that function, which test_events.py is about: its expressions would be in the plan of every KPI.
    """

    def make(topic: str, *events: Event) -> DataFrame:
        rows = [
            msgspec.to_builtins(event, builtin_types=(datetime,))
            | {"source_topic_id": "id", "source_partition": 0, "source_offset": offset}
            | {"event_date": event.event_time.astimezone(UTC).date()}
            for offset, event in enumerate(events)
        ]
        return spark.createDataFrame(pa.Table.from_pylist(rows, schemas.events(TOPICS[topic])))

    return make


@pytest.fixture(scope="session")
def table(spark: SparkSession) -> TableOf:
    """Create a frame of a KPI table's content columns; columns that a row does not name are null."""

    def make(kpi: Kpi, *values: dict) -> DataFrame:
        # Nullable, as each test names only the columns that it is about.
        fields = [kpi.schema.field(name).with_nullable(True) for name in kpi.value_columns]
        return spark.createDataFrame(pa.Table.from_pylist(list(values), pa.schema(fields)))

    return make
