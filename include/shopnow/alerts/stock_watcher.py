"""Watch the `stock` topic for records that should wake `watch_stock`.

A wake-up is only a hint: the DAG evaluates the data itself. So the watcher needs no consumer group and no
committed offset: it starts at the end of the topic, and because the DAG runs once at its start, nothing is
missed wherever it was killed.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from confluent_kafka import Message

from shopnow.alerts import rules
from shopnow.alerts.rows import Row
from shopnow.broker import client, topic_state
from shopnow.broker.client import Conf
from shopnow.events import TOPICS, Stock
from shopnow.kpis import STOCK_COVER
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.validation import check_record

_UNITS_AT_ONE: dict[str, Callable[[Row], float | None]] = {
    "share_of_reorder_point": lambda row: row["reorder_point"],
    "share_of_lead_time": lambda row: (
        row["lead_time_days"] * row["demand_per_day"] if row["demand_per_day"] else None
    ),
}
"""Units on hand at which a ratio metric is 1, by metric; times a threshold, the units it means."""

GROUP = "shopnow-wakeup"
"""Id of the consumer group, which is never joined."""

_MAX_RECORDS = 10_000
"""Records consumed at once: more than a busy topic has between two polls."""

_decode = TOPICS["stock"].decoder().decode


class Thresholds(NamedTuple):
    """Quantities at which an alert fires or resolves: those of every product, and those by product id."""

    common: frozenset[int]
    by_product: Mapping[str, frozenset[int]]


def load_thresholds(lake: str) -> Thresholds:
    """Return the thresholds of the stock rules in units, by the lake's reorder points and lead times.

    Raises:
        UserError: the rules are invalid.
    """
    limits: dict[str, set[float]] = {}
    """Threshold and resolve threshold of each metric's rules."""
    for rule in rules.load().values():
        limits.setdefault(rule.metric, set()).update((rule.threshold, rule.resolve_threshold))
    by_product: dict[str, frozenset[int]] = {}
    cover = Table(lake, STOCK_COVER.name).open_if_exists()
    if cover is not None:
        columns = ["product_id", "demand_per_day", "lead_time_days", "reorder_point"]
        for row in tables.read(cover, columns).to_pylist():
            units_at_one = {metric: units(row) for metric, units in _UNITS_AT_ONE.items()}
            by_product[row["product_id"]] = frozenset(
                int(limit * units)
                for metric, units in units_at_one.items()
                if units
                for limit in limits.get(metric, ())
            )
    return Thresholds(frozenset(int(limit) for limit in limits.get("stock_quantity", ())), by_product)


def crosses_threshold(event: Stock, thresholds: Thresholds) -> bool:
    """Return whether the event takes its product's stock to or below a threshold, or above it again."""
    after = event.quantity_after
    before = after - event.quantity_change
    return any(
        (before <= threshold) != (after <= threshold)
        for threshold in thresholds.common | thresholds.by_product.get(event.product_id, frozenset())
    )


class StockTopic:
    """Consumer of records that cross a threshold, starting at the end of the topic.

    Any thread may close it.

    Raises:
        UserError: the topic does not exist, or Kafka does not answer.
    """

    def __init__(self, conf: Conf, thresholds: Thresholds, name: str = "stock") -> None:
        self._conf, self._thresholds = conf, thresholds
        self._lock = threading.Lock()
        end_offsets = topic_state.describe(conf, [name])[name].end_offsets
        self._consumer = client.consumer(
            conf,
            {
                "group.id": GROUP,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",  # an unnecessary wake-up is harmless, a missed one is not
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 100,
                "queued.max.messages.kbytes": 16 << 10,
            },
        )
        self._consumer.assign(client.topic_partitions(name, end_offsets))

    def wait(self, seconds: float) -> list[str]:
        """Wait for records and return the ids of products that crossed a threshold.

        Raises:
            UserError: the topic was deleted, or Kafka does not answer.
        """
        with self._lock:
            messages = client.poll_batch(self._consumer, seconds, _MAX_RECORDS)
        for message in messages:
            if message.error() is not None:
                raise client.to_user_error(self._conf, message.error())
        return sorted(
            {event.product_id for event in _events(messages) if crosses_threshold(event, self._thresholds)}
        )

    def close(self) -> None:
        with self._lock:
            self._consumer.close()


def _events(messages: Iterable[Message]) -> Iterable[Stock]:
    for message in messages:
        checked = check_record(_decode, message.value(), message.headers(), message.timestamp()[1])
        if isinstance(checked.event, Stock):  # otherwise landing quarantines it with the reason
            yield checked.event
