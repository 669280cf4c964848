"""Reads the records that the events tables lack from their topics, while pages show these tables."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from shopnow.broker import client, topic_state
from shopnow.broker.client import Conf
from shopnow.broker.topic_state import TopicState
from shopnow.errors import UserError
from shopnow_tab_app.pace import Pace
from shopnow_tab_app.replica.pending import PendingRows

log = logging.getLogger(__name__)

GROUP = "shopnow-tab"
"""Id of the consumer group, which is never joined."""
POLL_SECONDS = 0.2
BURST = 10
BATCHES_PER_SECOND = 2.0
"""How often records of busy topics are taken; each time costs some 20 ms of CPU, however many they are."""
MAX_RECORDS = 2_000
"""Records taken at once."""
REFRESH_SECONDS = 10.0
"""Interval at which topics are described, to find new partitions and topics created again."""
RETRY_SECONDS = 2.0


class TopicReader:
    """One consumer for all topics, in a thread that ends when no page shows their tables."""

    def __init__(
        self,
        conf: Conf,
        pending: Mapping[str, PendingRows],
        add: Callable[[PendingRows, Sequence[Message], str], None],
        requested: Callable[[], Collection[str]],
    ) -> None:
        """Read nothing yet.

        Args:
            pending: by table, the rows to fill.
            add: takes new records of a topic, with Kafka's id of the topic.
            requested: returns the tables that pages show.
        """
        self._conf, self._pending, self._add, self._requested = conf, pending, add, requested
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread unless it runs; callers hold one lock."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="shopnow-tab-topics", daemon=True)
            self._thread.start()

    def join(self, seconds: float) -> None:
        if self._thread:
            self._thread.join(seconds)

    def _run(self) -> None:
        reported = None
        while self._shown():
            try:
                self._read()
            except (UserError, KafkaException) as error:
                if str(error) != reported:  # the page's activity names the reason
                    log.warning("provisional rows are missing: %s", error)
                reported = str(error)
            except Exception:
                log.exception("reading the topics failed")
            time.sleep(RETRY_SECONDS if self._shown() else 0)

    def _shown(self) -> list[PendingRows]:
        requested = self._requested()
        return [pending for table, pending in self._pending.items() if table in requested]

    def _read(self) -> None:
        settings = {
            "group.id": GROUP,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 200,
        }
        consumer = client.consumer(self._conf, settings)
        try:
            assigned: list[tuple[PendingRows, int]] = []
            states: dict[str, TopicState] = {}
            described_at = 0.0
            pace = Pace(BURST, BATCHES_PER_SECOND)
            while shown := self._shown():
                to_read = [pending for pending in shown if pending.is_ready and not pending.is_full]
                is_due = time.monotonic() - described_at > REFRESH_SECONDS
                generations = [(pending, pending.generation) for pending in to_read]
                if generations != assigned or is_due:
                    before, states = states, topic_state.describe(self._conf, [p.topic for p in to_read])
                    described_at = time.monotonic()
                    if generations != assigned or _identities(states) != _identities(before):
                        _assign(consumer, to_read, states)
                        assigned = generations
                if messages := _poll(consumer):
                    self._take(messages, states)
                    time.sleep(pace.step())
        finally:
            consumer.close()

    def _take(self, messages: Sequence[Message], states: Mapping[str, TopicState]) -> None:
        by_topic = {pending.topic: pending for pending in self._pending.values()}
        for topic in {message.topic() for message in messages}:
            group = [message for message in messages if message.topic() == topic]
            self._add(by_topic[topic], group, states[topic].topic_id)


def _identities(states: Mapping[str, TopicState]) -> dict[str, tuple[str, int]]:
    return {topic: (state.topic_id, len(state.partitions)) for topic, state in states.items()}


def _assign(consumer: Consumer, to_read: Sequence[PendingRows], states: Mapping[str, TopicState]) -> None:
    consumer.assign(
        [
            TopicPartition(pending.topic, partition, start)
            for pending in to_read
            for partition, (start, _) in pending.unread_ranges(states[pending.topic]).items()
        ]
    )


def _poll(consumer: Consumer) -> list[Message]:
    polled = client.poll_batch(consumer, POLL_SECONDS, MAX_RECORDS)
    return [message for message in polled if not message.error()]
