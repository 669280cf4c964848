"""Read generated records in all ways, and compare."""

import os
import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from factories.record_values import RecordValue, generate
from shopnow import validation
from shopnow.broker.reader import Chunk
from shopnow.events import TOPIC_OF, TOPICS, Event, Topic
from shopnow.lake.ingest import raw_encoding
from shopnow_spark import decoded_events
from shopnow_spark.events import parse_events

SEED = int(os.environ.get("SHOPNOW_TEST_SEED") or random.randrange(2**32))
NOW = datetime.now(UTC)


def compare_readings(spark: SparkSession, count: int) -> int:
    """Generate records, and require that all readers agree on each, or that it is in quarantine.

    Returns:
        The number of valid records.
    """
    print(f"seed {SEED}; repeat with SHOPNOW_TEST_SEED={SEED}")
    generated = generate(count, SEED)
    assert len(generated) >= count
    return sum(
        compare(spark, topic, [record for record in generated if TOPIC_OF[record.type_] is topic])
        for topic in TOPICS.values()
    )


def compare(spark: SparkSession, topic: Topic, of_topic: list[RecordValue]) -> int:
    """Compare the readings of records of a topic; return the number of valid ones."""
    count = len(of_topic)
    values, decode = [record.value for record in of_topic], topic.decoder().decode
    stamps = [int(NOW.timestamp() * 1000)] * count
    chunk = Chunk(0, list(range(count)), stamps, [None] * count, values, [r.headers for r in of_topic])
    rows, receipt = raw_encoding.encode("id", chunk, decode)
    raw = pa.table(rows).append_column("correction", pa.nulls(count, pa.binary()))
    parsed = by_offset(parse_events(spark.createDataFrame(raw), topic).toArrow())
    valid = raw.filter(pc.is_null(raw["problem"])).combine_chunks()
    decoded = by_offset(pa.concat_tables(decoded_events.decode(batch, topic) for batch in valid.to_batches()))
    assert parsed.keys() == decoded.keys()
    times = []
    for offset, (problem, payload) in enumerate(
        zip(*(rows[name].to_pylist() for name in ("problem", "payload")), strict=True)
    ):
        record = of_topic[offset]
        single = validation.check_record(decode, record.value, record.headers, stamps[0])
        assert (single.problem, single.payload) == (problem, payload), record
        if problem is not None:
            assert offset not in parsed, record
            continue
        audited = validation.read_valid(decode, payload or record.value)
        assert row_of(audited, topic) == row_of(single.event, topic), record
        for row in (parsed[offset], decoded[offset]):
            assert {name: row[name] for name in row_of(audited, topic)} == row_of(audited, topic), record
            assert row["event_date"] == audited.event_time.date(), record
            assert str(row.get("progress")) == str(getattr(audited, "progress", None)), record
        times.append(audited.event_time)
    assert (receipt.first_event, receipt.last_event) == (min(times), max(times))
    return len(times)


def by_offset(events: pa.Table) -> dict[int, dict[str, Any]]:
    return {row["source_offset"]: row for row in events.to_pylist()}


def row_of(event: Event, topic: Topic) -> dict[str, Any]:
    """Return the columns of an event in `events/{topic}`."""
    fields = msgspec.to_builtins(event, builtin_types=(datetime,))
    names = {name for type_ in topic.types for name in type_.__struct_fields__}
    return {name: fields.get(name) for name in names} | {"event_type": fields["event_type"]}
