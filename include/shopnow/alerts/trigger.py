"""The Airflow trigger that wakes `watch_stock` from the `stock` topic."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk import BaseHook
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from shopnow.alerts import stock_watcher
from shopnow.errors import UserError

RESTART_SECONDS = 600.0
"""Time after which it restarts, to read the current reorder points and partitions."""

_POLL_SECONDS = 1.0
_BATCH_SECONDS = 0.2
"""Pause between polls, so that a busy topic is read in batches, a few times a second."""
_RETRY_SECONDS = 5.0
_MAX_PRODUCTS = 20
"""Maximum number of products named in an event."""

_log = logging.getLogger(__name__)


class StockTrigger(BaseEventTrigger):
    """Fires whenever a product's stock crosses a threshold of the alert rules, and whenever it starts.

    Unlike AwaitMessageTrigger and KafkaSharedStreamTrigger, which read one record at a time, it keeps up with
    any topic. They commit an offset, which can be ahead of the stored events; this trigger has no offset:
    killed anywhere, it fires when it starts again.
    """

    def __init__(
        self,
        topic: str = "stock",
        kafka_conn_id: str = "kafka_default",
        webhdfs_conn_id: str = "webhdfs_default",
    ) -> None:
        super().__init__()
        self.topic, self.kafka_conn_id, self.webhdfs_conn_id = topic, kafka_conn_id, webhdfs_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        kwargs = {
            "topic": self.topic,
            "kafka_conn_id": self.kafka_conn_id,
            "webhdfs_conn_id": self.webhdfs_conn_id,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        conf = (await BaseHook.aget_connection(self.kafka_conn_id)).extra_dejson
        lake = (await BaseHook.aget_connection(self.webhdfs_conn_id)).extra_dejson["lake"]
        while True:
            try:
                topic = await asyncio.to_thread(
                    lambda: stock_watcher.StockTopic(conf, stock_watcher.load_thresholds(lake), self.topic)
                )
                try:
                    yield TriggerEvent({"products": []})
                    started = time.monotonic()
                    while time.monotonic() - started < RESTART_SECONDS:
                        if products := await asyncio.to_thread(topic.wait, _POLL_SECONDS):
                            yield TriggerEvent({"products": products[:_MAX_PRODUCTS]})
                        await asyncio.sleep(_BATCH_SECONDS)
                finally:
                    await asyncio.to_thread(topic.close)
            except (UserError, OSError) as error:
                _log.warning(
                    "cannot watch the stock topic: %s; trying again in %.0f s", error, _RETRY_SECONDS
                )
                await asyncio.sleep(_RETRY_SECONDS)
