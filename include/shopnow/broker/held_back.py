"""Records behind an open transaction: in Kafka, but not readable until the transaction has ended.

A transactional producer that hangs holds back every record that follows its first one, those of other
producers too, until it commits or aborts, or until its `transaction.timeout.ms` has passed.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from confluent_kafka import KafkaException

from shopnow.broker import client, topic_state
from shopnow.broker.client import Conf
from shopnow.broker.topic_state import TopicState

GROUP = "shopnow-held-back"
"""Id of the consumer group, which is never joined."""
_READ_SECONDS = 5.0


class HeldBack(NamedTuple):
    """Records of a topic that are held back."""

    topic: str
    records: int
    """Number of offsets after the last stable one, so at most this many records."""
    since: datetime | None
    """Kafka's timestamp of the first of them, UTC; None if it could not be read."""

    def __str__(self) -> str:
        since = f" since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        return (
            f"{self.topic}: up to {self.records:,} records are held back by an open transaction{since}; they "
            "land once its producer has committed or aborted it, or its transaction.timeout.ms has passed"
        )


def read(conf: Conf, names: Iterable[str]) -> list[HeldBack]:
    """Return the topics with records that are held back.

    Raises:
        UserError: a topic does not exist, or Kafka does not respond.
    """
    states = topic_state.describe(conf, names).values()
    return [
        HeldBack(state.topic, sum(state.held_back.values()), _oldest(conf, state))
        for state in states
        if state.held_back
    ]


def _oldest(conf: Conf, state: TopicState) -> datetime | None:
    """Return the lowest timestamp among the first records that are held back, of each partition."""
    waiting = set(state.held_back)
    consumer = client.consumer(
        conf,
        {
            "group.id": GROUP,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_uncommitted",
        },
    )
    timestamps: list[int] = []
    deadline = time.monotonic() + _READ_SECONDS
    try:
        first = {partition: state.end_offsets[partition] for partition in waiting}
        consumer.assign(client.topic_partitions(state.topic, first))
        while waiting and time.monotonic() < deadline:
            for message in consumer.consume(100, timeout=0.1):
                if message.error() is None and message.partition() in waiting:
                    waiting.remove(message.partition())
                    timestamps.append(message.timestamp()[1])
    except KafkaException as error:
        raise client.to_user_error(conf, error) from error
    finally:
        consumer.close()
    return datetime.fromtimestamp(min(timestamps) / 1000, UTC) if timestamps else None
