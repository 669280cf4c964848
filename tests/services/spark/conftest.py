"""Fixtures that create frames of raw records and of events typed by the pipeline."""

from collections.abc import Callable, Sequence

import pytest
from pyspark.sql import DataFrame, SparkSession

from shopnow.events import TOPICS, Event, encode
from shopnow_spark import events as transformations

RAW = "topic_id STRING, `partition` INT, `offset` BIGINT, value BINARY, problem STRING, correction BINARY"

RawOf = Callable[..., DataFrame]
EventsOf = Callable[..., DataFrame]


@pytest.fixture
def raw_of(spark: SparkSession) -> RawOf:
    """Create rows of a raw table: one per value, at offsets 0, 1, …, with these problems and corrections."""

    def make(
        values: Sequence[bytes],
        problems: Sequence[str | None] = (),
        partition: int = 0,
        corrections: Sequence[bytes | None] = (),
    ) -> DataFrame:
        problems, corrections = problems or [None] * len(values), corrections or [None] * len(values)
        rows = zip(
            range(len(values)), map(bytearray, values), problems, map(_binary, corrections), strict=True
        )
        return spark.createDataFrame([("id", partition, *row) for row in rows], RAW)

    return make


def _binary(value: bytes | None) -> bytearray | None:
    return None if value is None else bytearray(value)


@pytest.fixture
def events_of(raw_of: RawOf) -> EventsOf:
    """Create rows of `events/{topic}` from these events."""

    def make(topic: str, *events: Event) -> DataFrame:
        return transformations.parse_events(raw_of([encode(event) for event in events]), TOPICS[topic])

    return make
