"""The score: what the lake holds against what the generator's ledger says was sent, and nothing else.

Written apart from `shopnow.audit` and from landing: it reads whole tables and whole topics, and counts.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa
import xxhash
from confluent_kafka import Consumer, KafkaError, TopicPartition

from support import isolated_process
from shopnow.broker import topics as broker_topics
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.traffic import ledger

Records = Counter[tuple]
"""How often each is there: (topic id, partition, offset, hash of the value) or, of events, (event id,)."""

DERIVED_TABLES = [f"events/{topic}" for topic in TOPICS] + [kpi.name for kpi in KPIS]
_WHEN_MADE = {"raw_versions", "computed_at", "audit"}


class Score(NamedTuple):
    """Of the records that should be there once each: those that are not, those that are there again, and those nobody sent."""

    lost: int = 0
    duplicated: int = 0
    unknown: int = 0

    def __add__(self, other: "Score") -> "Score":  # type: ignore[override]
        return Score(*(mine + yours for mine, yours in zip(self, other, strict=True)))


def score(truth: Records, found: Records) -> Score:
    return Score(
        lost=len(truth.keys() - found.keys()),
        duplicated=sum(count - truth[record] for record, count in found.items() if record in truth),
        unknown=sum(count for record, count in found.items() if record not in truth),
    )


def score_raw(conf: dict, lake: str, topics: Iterable[str] = TOPICS) -> Score:
    """The raw tables against the ledger; every file of their snapshots is read."""
    return sum(
        (
            score(truth, records_in_raw(lake, topic))
            for topic, truth in records_in_ledger(conf, topics).items()
        ),
        Score(),
    )


def score_topics(conf: dict) -> Score:
    """The topics against the ledger: it tells of every committed event, and of no other."""
    return sum(
        (score(records_in_topic(conf, topic), truth) for topic, truth in records_in_ledger(conf).items()),
        Score(),
    )


def score_events(conf: dict, lake: str) -> Score:
    """The events tables against the ledger."""
    rows = ledger.read(conf).select(["topic", "event_id"]).to_pylist()
    total = Score()
    for topic in TOPICS:
        truth = Counter((row["event_id"],) for row in rows if row["topic"] == topic)
        total += score(
            truth,
            Counter(zip(read(lake, f"events/{topic}", ["event_id"])["event_id"].to_pylist(), strict=True)),
        )
    return total


def records_in_ledger(conf: dict, topics: Iterable[str] = TOPICS) -> dict[str, Records]:
    """By topic, the events the generator's ledger tells of."""
    rows = ledger.read(conf).select(["topic", "topic_id", "partition", "offset", "payload_hash"]).to_pylist()
    return {
        topic: Counter(tuple(row.values())[1:] for row in rows if row["topic"] == topic) for topic in topics
    }


def records_in_raw(lake: str, topic: str) -> Records:
    rows = read(lake, f"raw/{topic}", ["topic_id", "partition", "offset", "value"])
    *place, values = (column.to_pylist() for column in rows.columns)
    return Counter(zip(*place, map(hash_of, values), strict=True))


def records_in_topic(conf: dict, topic: str) -> Records:
    """All committed records of a topic."""
    consumer = Consumer(
        {**conf, "group.id": "oracle", "isolation.level": "read_committed", "enable.partition.eof": True}
    )
    found: Records = Counter()
    topic_id = broker_topics.topic_id(conf, topic)
    try:
        info = consumer.list_topics(topic, timeout=30).topics[topic]
        unread = set(info.partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in unread])
        while unread:
            for message in consumer.consume(1000, timeout=1):
                if message.error() is None:
                    found[topic_id, message.partition(), message.offset(), hash_of(message.value())] += 1
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition())
                else:
                    raise AssertionError(message.error().str())
    finally:
        consumer.close()
    return found


def read(lake: str, name: str, columns: Sequence[str] | None = None) -> pa.Table | None:
    """A table's rows; None: there is no such table."""
    return isolated_process.call(_read, lake, name, columns)


def _read(lake: str, name: str, columns: Sequence[str] | None) -> pa.Table | None:
    return tables.read(Table(lake, name).open(), columns) if Table(lake, name).exists() else None


def hash_of(value: bytes | None) -> bytes | None:
    return None if value is None else xxhash.xxh3_128_digest(value)


def content(lake: str, name: str) -> list[dict] | None:
    """The rows of a derived table in an order of their own, without what tells when and from what they were made; None: no table."""
    table = read(lake, name)
    if table is None:
        return None
    return sorted(table.drop_columns(list(_WHEN_MADE & set(table.column_names))).to_pylist(), key=repr)


def contents(lake: str) -> dict[str, list[dict] | None]:
    """The content of every derived table, by name."""
    return {name: content(lake, name) for name in DERIVED_TABLES}
