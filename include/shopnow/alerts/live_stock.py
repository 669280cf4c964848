"""What is on the shelves now: the stock position as the lake has it, and what the `stock` topic has beyond.

The table `kpi/stock_position` says which version of `raw/stock` it was made from, and that version which offsets it holds. What
Kafka has behind them is read, checked as landing does, and put on top by event time, then offset, as the KPI does. So the
answer is that of the next KPI run, without waiting for it; nothing is written, and no record is read that the table rests on.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pyarrow as pa
from deltalake import DeltaTable

from shopnow import validation
from shopnow.broker import reader, topics
from shopnow.broker.client import Conf
from shopnow.broker.reader import Chunk, Ranges
from shopnow.broker.topics import TopicState
from shopnow.events import TOPICS, Stock
from shopnow.kpis import STOCK_POSITION
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import offsets
from shopnow.lake.lineage import lineage

QUEUE_BYTES = 16 << 20
"""How much is fetched ahead: as a rule there is little to read."""


class Shelf(NamedTuple):
    """A product's stock; `at` is the time of the last event it rests on, UTC."""

    product_id: str
    product_name: str
    quantity: int
    at: datetime


class Known(NamedTuple):
    """A shelf, the offset of its last event, and the ids of those read that happened at the same time."""

    shelf: Shelf
    offset: int
    event_ids: set[str]


def current(conf: Conf | None, lake: str, kafka_topic: str = "stock") -> list[Shelf]:
    """The stock of every product, by product id. In memory are a row a product and some records.

    Args:
        conf: confluent_kafka configuration; without one only the table is looked at.
        lake: the lake's address.
        kafka_topic: the topic's name in Kafka.

    Raises:
        UserError: no such topic, or Kafka does not answer.
    """
    table = Table(lake, STOCK_POSITION.name).open_if_exists()
    known = {} if table is None else _position(table)
    if conf is not None:
        state = topics.describe(conf, [kafka_topic])[kafka_topic]
        ranges = beyond(state, None if table is None else _raw(lake, table))
        for chunk in reader.read(conf, kafka_topic, ranges, queue_bytes=QUEUE_BYTES):
            for event, offset in _valid(chunk):
                put(known, event, offset)
    return sorted(each.shelf for each in known.values())


def beyond(state: TopicState, raw: DeltaTable | None) -> Ranges:
    """The offsets of the topic that are not in a version of `raw/stock`; all there are of one that was made anew, or cut off.

    Those lost before anyone read them are left out: landing says so.
    """
    topic_id = None if raw is None else offsets.current_id(raw, state.topic_id)
    ranges = {}
    for partition, (earliest, stable) in state.partitions.items():
        read = None if topic_id is None else offsets.position(raw, topic_id, partition)
        ranges[partition] = (earliest if read is None or read > stable else max(read, earliest), stable)
    return ranges


def put(known: dict[str, Known], event: Stock, offset: int) -> None:
    """Take an event in, if it is the newest of its product and not repeated; `known` is by product id."""
    shelf = Shelf(
        event.product_id, event.product_name, event.quantity_after, event.event_time.astimezone(UTC)
    )
    before = known.get(shelf.product_id)
    if before is None or shelf.at > before.shelf.at:
        known[shelf.product_id] = Known(shelf, offset, {event.event_id})
    elif shelf.at == before.shelf.at and event.event_id not in before.event_ids:
        before.event_ids.add(event.event_id)
        if offset > before.offset:
            known[shelf.product_id] = before._replace(shelf=shelf, offset=offset)


def _position(table: DeltaTable) -> dict[str, Known]:
    columns = ["product_id", "product_name", "quantity", "last_event_time", "last_offset"]
    rows = tables.read(table, columns).to_pylist()
    return {
        row["product_id"]: Known(Shelf(*(row[name] for name in columns[:4])), row["last_offset"], set())
        for row in rows
    }


def _raw(lake: str, table: DeltaTable) -> DeltaTable | None:
    """The version of `raw/stock` that the position was made from."""
    version = lineage.sources(Table(lake, STOCK_POSITION.name), table.version()).get("raw/stock")
    return None if version is None else Table(lake, "raw/stock").open(version)


def _valid(chunk: Chunk) -> Iterator[tuple[Stock, int]]:
    """The events of a chunk, each with its offset; what landing would put into quarantine is left out."""
    decode = TOPICS["stock"].decoder().decode
    found = validation.check_records(decode, chunk.values, pa.array(chunk.values, pa.binary())).problems
    for value, offset, problem in zip(
        chunk.values, chunk.offsets, found or [None] * len(chunk.values), strict=True
    ):
        if problem is None and value is not None:
            yield decode(value), offset
