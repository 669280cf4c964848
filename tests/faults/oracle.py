"""The score: the content of the lake and the topics against the ledger of the traffic generator.

Independent of `shopnow.audit` and of landing: it reads whole tables and whole topics, and counts.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa
import xxhash
from confluent_kafka import Consumer, KafkaError, TopicPartition

from shopnow.broker import topic_state
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.traffic import ledger
from support import isolated_process

Records = Counter[tuple]
"""Occurrences by record, (topic id, partition, offset, hash of the value), or by event, (event id,)."""

DERIVED_TABLES = [f"events/{topic}" for topic in TOPICS] + [kpi.name for kpi in KPIS]
_PROVENANCE_COLUMNS = {"raw_versions", "computed_at", "audit"}


class Score(NamedTuple):
    """Numbers of records that are missing, repeated, or were never sent."""

    lost: int = 0
    duplicated: int = 0
    unknown: int = 0

    def __add__(self, other: "Score") -> "Score":  # type: ignore[override]
        return Score(*map(sum, zip(self, other, strict=True)))


def score(expected: Records, actual: Records) -> Score:
    """Compare the records that should exist once each with those that do."""
    return Score(
        lost=len(expected.keys() - actual.keys()),
        duplicated=sum(count - expected[record] for record, count in actual.items() if record in expected),
        unknown=sum(count for record, count in actual.items() if record not in expected),
    )


def score_raw(conf: dict, lake: str, topics: Iterable[str] = TOPICS) -> Score:
    """Score the raw tables against the ledger; reads every file of their snapshots."""
    return sum(
        (
            score(truth, records_in_raw(lake, topic))
            for topic, truth in records_in_ledger(conf, topics).items()
        ),
        Score(),
    )


def score_topics(conf: dict) -> Score:
    """Score the ledger against the topics: it must have every committed event and no other."""
    return sum(
        (
            score(records_in_topic(conf, topic), ledger_records)
            for topic, ledger_records in records_in_ledger(conf).items()
        ),
        Score(),
    )


def score_events(conf: dict, lake: str) -> Score:
    """Score the events tables against the ledger."""
    rows = ledger.read(conf).select(["topic", "event_id"]).to_pylist()
    total = Score()
    for topic in TOPICS:
        expected = Counter((row["event_id"],) for row in rows if row["topic"] == topic)
        total += score(
            expected,
            Counter(zip(read(lake, f"events/{topic}", ["event_id"])["event_id"].to_pylist(), strict=True)),
        )
    return total


def records_in_ledger(conf: dict, topics: Iterable[str] = TOPICS) -> dict[str, Records]:
    """Return the records in the generator's ledger, by topic."""
    rows = ledger.read(conf).select(["topic", "topic_id", "partition", "offset", "payload_hash"]).to_pylist()
    return {
        topic: Counter(tuple(row.values())[1:] for row in rows if row["topic"] == topic) for topic in topics
    }


def records_in_raw(lake: str, topic: str) -> Records:
    rows = read(lake, f"raw/{topic}", ["topic_id", "partition", "offset", "value"])
    *record_id, values = (column.to_pylist() for column in rows.columns)
    return Counter(zip(*record_id, map(hash_of, values), strict=True))


def records_in_topic(conf: dict, topic: str) -> Records:
    """Read all committed records of a topic."""
    consumer = Consumer(
        {**conf, "group.id": "oracle", "isolation.level": "read_committed", "enable.partition.eof": True}
    )
    records: Records = Counter()
    topic_id = topic_state.topic_id(conf, topic)
    try:
        info = consumer.list_topics(topic, timeout=30).topics[topic]
        unread = set(info.partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in unread])
        while unread:
            for message in consumer.consume(1000, timeout=1):
                if message.error() is None:
                    records[topic_id, message.partition(), message.offset(), hash_of(message.value())] += 1
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition())
                else:
                    raise AssertionError(message.error().str())
    finally:
        consumer.close()
    return records


def read(lake: str, name: str, columns: Sequence[str] | None = None) -> pa.Table | None:
    """Read a table's rows; None if the table does not exist."""
    return isolated_process.call(_read, lake, name, columns)


def _read(lake: str, name: str, columns: Sequence[str] | None) -> pa.Table | None:
    return tables.read(Table(lake, name).open(), columns) if Table(lake, name).exists() else None


def hash_of(value: bytes | None) -> bytes | None:
    return None if value is None else xxhash.xxh3_128_digest(value)


def content(lake: str, name: str) -> list[dict] | None:
    """Return the sorted rows of a derived table without their provenance; None if there is no table."""
    table = read(lake, name)
    if table is None:
        return None
    return sorted(
        table.drop_columns(list(_PROVENANCE_COLUMNS & set(table.column_names))).to_pylist(), key=repr
    )


def contents(lake: str) -> dict[str, list[dict] | None]:
    """Return the `content` of every derived table, by name."""
    return {name: content(lake, name) for name in DERIVED_TABLES}
