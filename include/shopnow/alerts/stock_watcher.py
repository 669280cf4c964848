"""Which records of the `stock` topic are worth waking `watch_stock` for, and waiting for the next of them.

A wake-up is only a hint: what is true is read from the data. So it needs no consumer group and no offset of its own: who waits
begins at the end of the topic and looks once for whatever came before, and so misses nothing, wherever it was killed.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec
from confluent_kafka import Message, TopicPartition

from shopnow.alerts import rules
from shopnow.alerts.metrics import Row
from shopnow.broker import client, topics
from shopnow.broker.client import Conf
from shopnow.events import TOPICS, Stock
from shopnow.kpis import STOCK_COVER
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table

_PIECES: dict[str, Callable[[Row], float | None]] = {
    "share_of_reorder_point": lambda row: row["reorder_point"],
    "share_of_lead_time": lambda row: (
        row["lead_time_days"] * row["demand_per_day"] if row["demand_per_day"] else None
    ),
}
"""Of shares that rules look at: how many pieces on hand make a share of one."""

_MOST = 10_000
"""Records taken at once: more than a busy topic has between two looks."""

_decode = TOPICS["stock"].decoder().decode


class Limits(NamedTuple):
    """The quantities at which an alert begins or ends: of every product, and its own by product id."""

    common: frozenset[int]
    own: Mapping[str, frozenset[int]]


def limits(lake: str) -> Limits:
    """The limits of the rules about the stock, in pieces, by the reorder points and lead times the lake knows now.

    Raises:
        UserError: the rules are wrong.
    """
    ends: dict[str, set[float]] = {}
    for rule in rules.load().values():
        ends.setdefault(rule.looks_at, set()).update((rule.threshold, rule.over_beyond))
    own: dict[str, frozenset[int]] = {}
    if Table(lake, STOCK_COVER.name).exists():
        columns = ["product_id", "demand_per_day", "lead_time_days", "reorder_point"]
        for row in tables.read(Table(lake, STOCK_COVER.name).open(), columns).to_pylist():
            one = {figure: pieces(row) for figure, pieces in _PIECES.items()}
            own[row["product_id"]] = frozenset(
                int(end * each) for figure, each in one.items() if each for end in ends.get(figure, ())
            )
    return Limits(frozenset(int(end) for end in ends.get("stock_quantity", ())), own)


def crosses(event: Stock, limits: Limits) -> bool:
    """Whether the event takes its product's stock to or under a limit, or above it again."""
    after = event.quantity_after
    before = after - event.quantity_change
    return any(
        (before <= limit) != (after <= limit)
        for limit in limits.common | limits.own.get(event.product_id, frozenset())
    )


class StockTopic:
    """Waits at the end of the topic, as it was when this was made, for records that cross a limit. May be closed from any thread.

    Raises:
        UserError: no such topic, or Kafka does not answer.
    """

    def __init__(self, conf: Conf, limits: Limits, name: str = "stock") -> None:
        self._conf, self._limits = conf, limits
        self._lock = threading.Lock()
        partitions = topics.describe(conf, [name])[name].partitions
        self._consumer = client.consumer(
            conf,
            {
                "group.id": "shopnow-wakeup",  # never joined
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",  # rather a wake-up too many
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 100,
                "queued.max.messages.kbytes": 16 << 10,
            },
        )
        self._consumer.assign(
            [TopicPartition(name, partition, stable) for partition, (_, stable) in partitions.items()]
        )

    def wait(self, seconds: float) -> list[str]:
        """The ids of products that crossed a limit in the next records to come; empty if none did, or none came in time.

        Raises:
            UserError: the topic is gone, or Kafka does not answer.
        """
        with self._lock:
            first = self._consumer.poll(seconds)
            messages = [first, *self._consumer.consume(_MOST, 0)] if first is not None else []
        for message in messages:
            if message.error() is not None:
                raise client.to_user_error(self._conf, message.error())
        return sorted({event.product_id for event in _events(messages) if crosses(event, self._limits)})

    def close(self) -> None:
        with self._lock:
            self._consumer.close()


def _events(messages: Iterable[Message]) -> Iterable[Stock]:
    for message in messages:
        try:
            yield _decode(message.value() or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # landing says what is wrong with it
