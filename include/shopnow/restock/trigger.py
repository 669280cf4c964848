"""The Airflow trigger that wakes `receive_restock` when there is a delivery note to receive."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.exceptions import AirflowException
from airflow.providers.apache.hdfs.hooks.webhdfs import WebHDFSHook
from airflow.sdk import BaseHook
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async
from hdfs.util import HdfsError

from shopnow.restock import inbox
from shopnow.restock.inbox import Inbox

POLL_SECONDS = 10.0
REPEAT_SECONDS = 300.0
"""Time after which it fires again for the same files, such as those whose receipt was postponed."""
_MAX_FILES = 20
"""Maximum number of files named in an event."""

_log = logging.getLogger(__name__)


class DeliveryNoteTrigger(BaseEventTrigger):
    """Fires when files are pending in the inbox, or orders are due, and again while they stay.

    It keeps no state: killed anywhere, it fires for the same files when it starts again.
    """

    def __init__(self, webhdfs_conn_id: str = "webhdfs_default") -> None:
        super().__init__()
        self.webhdfs_conn_id = webhdfs_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        kwargs = {"webhdfs_conn_id": self.webhdfs_conn_id}
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        logging.getLogger("hdfs.client").setLevel(logging.WARNING)  # it would log every call of every poll
        lake = (await BaseHook.aget_connection(self.webhdfs_conn_id)).extra_dejson["lake"]
        last_files: list[str] = []
        fired_at = 0.0
        box: Inbox | None = None
        while True:
            try:
                if box is None:
                    # Not by a thread of asyncio, from which a hook cannot ask Airflow for its connection.
                    client = await sync_to_async(WebHDFSHook(self.webhdfs_conn_id).get_conn)()
                    box = Inbox(client, inbox.inbox_path(lake))
                files = await asyncio.to_thread(files_to_receive, box)
            except (AirflowException, HdfsError, OSError) as error:
                _log.warning("cannot list delivery notes: %s", error)
                box = None
            else:
                if files and (files != last_files or time.monotonic() - fired_at > REPEAT_SECONDS):
                    yield TriggerEvent({"files": files[:_MAX_FILES]})
                    fired_at = time.monotonic()
                last_files = files
            await asyncio.sleep(POLL_SECONDS)


def files_to_receive(box: Inbox) -> list[str]:
    """Return the names of the files that are pending or due, in an order that moving them does not change."""
    return sorted({*box.pending(), *map(inbox.note_name, box.due(datetime.now(UTC)))})
