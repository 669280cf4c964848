"""Current stock levels: the lake's stock position plus the newer records of the `stock` topic.

The table `kpi/stock_position` names the version of `raw/stock` it was made from, and that version the offsets
it holds. Kafka's records after those offsets are read, validated as landing does, and applied by event time,
then offset, as the KPI does. The result equals that of the next KPI run, without waiting for it; nothing is
written, and no record that the table covers is read.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from deltalake import DeltaTable

from shopnow import validation
from shopnow.broker import reader, topic_state
from shopnow.broker.client import Conf
from shopnow.broker.reader import Chunk
from shopnow.events import TOPICS, Stock
from shopnow.kpis import STOCK_POSITION
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage import unread

PREFETCH_BYTES = 16 << 20
"""Bytes prefetched from Kafka; there is usually little to read."""


class StockLevel(NamedTuple):
    """A product's stock; `at` is the time of the last event it rests on, UTC."""

    product_id: str
    product_name: str
    quantity: int
    at: datetime


class TrackedLevel(NamedTuple):
    """A stock level with the offset of its last event and the ids of events read that have the same time."""

    level: StockLevel
    offset: int
    event_ids: set[str]


def current_levels(conf: Conf | None, lake: str, kafka_topic: str = "stock") -> list[StockLevel]:
    """Return the stock level of every product, ordered by product id.

    Memory use is a row per product and some records.

    Args:
        conf: confluent_kafka configuration; with None only the table is read.
        lake: the lake's address.
        kafka_topic: the topic's name in Kafka.

    Raises:
        UserError: the topic does not exist, or Kafka does not answer.
    """
    table = Table(lake, STOCK_POSITION.name).open_if_exists()
    levels = {} if table is None else _read_position(table)
    if conf is not None:
        state = topic_state.describe(conf, [kafka_topic])[kafka_topic]
        position = Table(lake, STOCK_POSITION.name)
        raw = None if table is None else unread.source_snapshot(position, table.version(), "stock")
        ranges = unread.unread_ranges(state, raw)
        for chunk in reader.read(conf, kafka_topic, ranges, queue_bytes=PREFETCH_BYTES):
            for event, offset in _valid_events(chunk):
                apply_event(levels, event, offset)
    return sorted(tracked.level for tracked in levels.values())


def apply_event(levels: dict[str, TrackedLevel], event: Stock, offset: int) -> None:
    """Update `levels`, by product id, with an event; older events and duplicates change nothing."""
    level = StockLevel(event.product_id, event.product_name, event.quantity_after, event.event_time)
    current = levels.get(level.product_id)
    if current is None or level.at > current.level.at:
        levels[level.product_id] = TrackedLevel(level, offset, {event.event_id})
    elif level.at == current.level.at and event.event_id not in current.event_ids:
        current.event_ids.add(event.event_id)
        if offset > current.offset:
            levels[level.product_id] = current._replace(level=level, offset=offset)


def _read_position(table: DeltaTable) -> dict[str, TrackedLevel]:
    columns = ["product_id", "product_name", "quantity", "last_event_time", "last_offset"]
    rows = tables.read(table, columns).to_pylist()
    return {
        row["product_id"]: TrackedLevel(
            StockLevel(*(row[name] for name in columns[:4])), row["last_offset"], set()
        )
        for row in rows
    }


def _valid_events(chunk: Chunk) -> Iterator[tuple[Stock, int]]:
    """Yield the valid events of a chunk with their offsets; skips what landing would quarantine."""
    decode = TOPICS["stock"].decoder().decode
    for value, offset, headers, timestamp in zip(
        chunk.values, chunk.offsets, chunk.headers, chunk.timestamps, strict=True
    ):
        event = validation.check_record(decode, value, headers, timestamp).event
        if isinstance(event, Stock):
            yield event, offset
