"""Fixtures that create frames of raw records, of events and of KPI rows."""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from shopnow.kpis import Kpi
from shopnow.schemas import RAW
from support import frames

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


@pytest.fixture(scope="module")
def events_of(engine: SparkSession) -> EventsOf:
    """Create frames of `events/{topic}` from events."""
    return lambda topic, *events: frames.create(engine, frames.table_of(topic, *events))


@pytest.fixture(scope="module")
def table(engine: SparkSession) -> TableOf:
    """Create a frame of a KPI table's content columns; columns that a row does not name are null."""

    def make(kpi: Kpi, *values: dict) -> DataFrame:
        # Nullable, as each test names only the columns that it is about.
        fields = [kpi.schema.field(name).with_nullable(True) for name in kpi.value_columns]
        return frames.create(engine, pa.Table.from_pylist(list(values), pa.schema(fields)))

    return make
