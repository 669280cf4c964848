"""Frames of a few events, typed as the pipeline types them."""

from collections.abc import Callable, Sequence

import pytest
from pyspark.sql import DataFrame, SparkSession

from shopnow.events import TOPICS, Event, encode
from shopnow_spark import events as transformations

RAW = "topic_id STRING, `partition` INT, `offset` BIGINT, value BINARY, problem STRING"

RawOf = Callable[..., DataFrame]
EventsOf = Callable[..., DataFrame]


@pytest.fixture
def raw_of(spark: SparkSession) -> RawOf:
    """Makes rows of raw: one a value, at offsets 0, 1, …, with the problems given."""

    def make(values: Sequence[bytes], problems: Sequence[str | None] = (), partition: int = 0) -> DataFrame:
        problems = problems or [None] * len(values)
        rows = zip(range(len(values)), map(bytearray, values), problems, strict=True)
        return spark.createDataFrame([("id", partition, *row) for row in rows], RAW)

    return make


@pytest.fixture
def events_of(raw_of: RawOf) -> EventsOf:
    """Makes rows of `events/{topic}` of these events."""

    def make(topic: str, *events: Event) -> DataFrame:
        return transformations.typed(raw_of([encode(event) for event in events]), TOPICS[topic])

    return make
