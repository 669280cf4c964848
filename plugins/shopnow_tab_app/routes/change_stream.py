"""The API route that notifies an open page of changes, as a stream of server-sent events."""

import signal
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from shopnow_tab_app.pages.changes import Changes, Subscription
from shopnow_tab_app.pages.registry import PageName

MAX_SECONDS = 600.0
"""Time after which a stream ends and the page opens another, for which its user must still be logged in."""
CHECK_SECONDS = 1.0
RECONNECT_MS = 1_000


class _ChangeStream(EventSourceResponse):
    # Otherwise FastAPI describes the answers of `PROBLEMS`, too, as such a stream.
    media_type = None  # type: ignore[assignment]


def create_stream_router(changes: Changes) -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix="/api", tags=["read"])

    async def subscribe(page: PageName) -> AsyncIterator[Subscription]:
        with changes.subscribe(page) as subscription:
            yield subscription

    @router.get("/changes", response_class=_ChangeStream)
    async def get_changes(
        subscription: Annotated[Subscription, Depends(subscribe)],
    ) -> AsyncIterator[ServerSentEvent]:
        """What changes for a page, as server-sent events.

        `activity` has the newest events of the topics, as `/api/activity` returns them; `page` says that the
        page's tables have changed. A stream ends after ten minutes.
        """
        yield ServerSentEvent(event="open", data=subscription.page, retry=RECONNECT_MS)
        opened = time.monotonic()
        while time.monotonic() - opened < MAX_SECONDS and not _is_server_ending():
            for kind, data in (await subscription.next(CHECK_SECONDS)).items():
                yield ServerSentEvent(event=kind, data=data)

    return router


def _is_server_ending() -> bool:
    """Return whether uvicorn is exiting; it waits for open responses, which must end by themselves."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "should_exit", False)
