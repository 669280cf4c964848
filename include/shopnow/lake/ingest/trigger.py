"""The Airflow trigger that wakes `land_events` when topics have records that the lake does not have."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk import BaseHook
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from shopnow.errors import UserError
from shopnow.lake.ingest.arrivals import Arrivals

POLL_SECONDS = 0.5
RETRY_SECONDS = 5.0

_log = logging.getLogger(__name__)


class ArrivalTrigger(BaseEventTrigger):
    """Fires when records of any producer have arrived that are not in the lake, at most once per landing.

    It keeps no offset, so none can be ahead of what has landed: killed anywhere, it compares Kafka and the
    lake again when it starts.
    """

    def __init__(
        self, kafka_conn_id: str = "kafka_default", webhdfs_conn_id: str = "webhdfs_default"
    ) -> None:
        super().__init__()
        self.kafka_conn_id, self.webhdfs_conn_id = kafka_conn_id, webhdfs_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        kwargs = {"kafka_conn_id": self.kafka_conn_id, "webhdfs_conn_id": self.webhdfs_conn_id}
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        conf = (await BaseHook.aget_connection(self.kafka_conn_id)).extra_dejson
        lake = (await BaseHook.aget_connection(self.webhdfs_conn_id)).extra_dejson["lake"]
        arrivals: Arrivals | None = None
        while True:
            try:
                if arrivals is None:
                    arrivals = await asyncio.to_thread(Arrivals, conf, lake)
                if topics := await asyncio.to_thread(arrivals.check):
                    yield TriggerEvent({"topics": topics})
                await asyncio.sleep(POLL_SECONDS)
            except (UserError, OSError) as error:
                _log.warning(
                    "cannot compare topics and lake: %s; trying again in %.0f s", error, RETRY_SECONDS
                )
                arrivals = None
                await asyncio.sleep(RETRY_SECONDS)
