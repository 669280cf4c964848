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

AFRESH_SECONDS = 600.0
"""How long it goes on before it starts over: with the reorder points, and the partitions, that there are by then."""

_POLL_SECONDS = 1.0
_PACE_SECONDS = 0.2
"""What comes in between is taken at once, so that a busy topic costs a few looks a second."""
_PAUSE_SECONDS = 5.0
_NAMED = 20
"""So many products are named in a wake-up."""

_log = logging.getLogger(__name__)


class StockTrigger(BaseEventTrigger):
    """Fires whenever a product's stock crosses a limit of the alert rules, and whenever it starts.

    Unlike AwaitMessageTrigger and KafkaSharedStreamTrigger, which take one record at a time, it keeps up with any topic; and
    where these commit an offset, too early or once the event is stored, it has none that could be ahead of what was stored:
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
                    lambda: stock_watcher.StockTopic(conf, stock_watcher.limits(lake), self.topic)
                )
                try:
                    yield TriggerEvent({"products": []})
                    began = time.monotonic()
                    while time.monotonic() - began < AFRESH_SECONDS:
                        if products := await asyncio.to_thread(topic.wait, _POLL_SECONDS):
                            yield TriggerEvent({"products": products[:_NAMED]})
                        await asyncio.sleep(_PACE_SECONDS)
                finally:
                    await asyncio.to_thread(topic.close)
            except (UserError, OSError) as error:
                _log.warning("the stock topic cannot be watched: %s; trying again", error)
                await asyncio.sleep(_PAUSE_SECONDS)
