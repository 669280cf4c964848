"""Notifies open pages of changes: new events on the topics, and new versions of the tables they show.

Two threads wait, one for the topics and one for the tables, however many pages are open, and only while one
is. A page that is slow to read gets the last state of what changed, not every state in between.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from shopnow.errors import UserError
from shopnow_tab_app.pace import Pace
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.sources.topic_tail import TopicTail

log = logging.getLogger(__name__)

MAX_SUBSCRIPTIONS = 500
WAIT_SECONDS = 1.0
"""How long a thread waits for a change before it looks whether a page is still open."""

BURST = 10
PER_SECOND = 2.0
"""How often changes of one kind are published while there are many."""

ACTIVITY = "activity"
PAGE = "page"


class Subscription:
    """What has changed for one open page since it last asked."""

    def __init__(self, page: str) -> None:
        self.page = page
        self._loop = asyncio.get_running_loop()
        self._is_changed = asyncio.Event()
        self._changes: dict[str, Any] = {}

    def publish(self, kind: str, data: Any) -> None:
        """Note a change; may be called by any thread."""
        with suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(self._add, kind, data)

    async def next(self, seconds: float) -> dict[str, Any]:
        """Wait for changes and return the last data of each kind; empty if there are none in this time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_changed.wait(), seconds)
        self._is_changed.clear()
        changes, self._changes = self._changes, {}
        return changes

    def _add(self, kind: str, data: Any) -> None:
        self._changes[kind] = data
        self._is_changed.set()


class Changes:
    """Watches topics and tables for the pages that are open."""

    def __init__(
        self,
        tail: TopicTail,
        activity: Callable[[], Any],
        lake: LakeReplica,
        tables: Mapping[str, Sequence[str]],
    ) -> None:
        """Watch nothing yet.

        Args:
            activity: builds the data to publish when the topics have new events.
            tables: the tables that each page shows.
        """
        self._tail, self._activity, self._lake, self._tables = tail, activity, lake, tables
        self._lock = threading.Lock()
        self._subscriptions: set[Subscription] = set()
        self._running: set[str] = set()
        """Names of the threads that run."""

    @contextmanager
    def subscribe(self, page: str) -> Iterator[Subscription]:
        """Yield the subscription of an open page, within a running event loop.

        Raises:
            UserError: too many pages are open.
        """
        subscription = Subscription(page)
        with self._lock:
            if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
                raise UserError(f"{MAX_SUBSCRIPTIONS} pages are open already: this one polls instead")
            self._subscriptions.add(subscription)
            for name, watch in (("topics", self._watch_topics), ("tables", self._watch_tables)):
                if name not in self._running:
                    self._running.add(name)
                    threading.Thread(
                        target=self._run, args=(name, watch), name=f"shopnow-tab-{name}", daemon=True
                    ).start()
        try:
            yield subscription
        finally:
            with self._lock:
                self._subscriptions.discard(subscription)

    def _run(self, name: str, watch: Callable[[], Iterator[None]]) -> None:
        """Watch until no page is open, starting again after a failure."""
        steps = watch()
        while self._is_needed(name):
            try:
                next(steps)
            except UserError:
                steps = watch()
                time.sleep(WAIT_SECONDS)
            except Exception:
                log.exception("watching the %s failed", name)
                steps = watch()
                time.sleep(WAIT_SECONDS)

    def _is_needed(self, name: str) -> bool:
        with self._lock:
            if not self._subscriptions:
                self._running.discard(name)
            return bool(self._subscriptions)

    def _watch_topics(self) -> Iterator[None]:
        shown: tuple[int, str | None] | None = None
        pace = Pace(BURST, PER_SECOND)
        while True:
            self._tail.wait(shown, WAIT_SECONDS)
            if self._tail.stamp != shown:
                shown = self._tail.stamp
                self._publish(ACTIVITY, self._activity())
                time.sleep(pace.step())
            yield

    def _watch_tables(self) -> Iterator[None]:
        shown: dict[str, Any] = {}
        pace = Pace(BURST, PER_SECOND)
        while True:
            pages = {subscription.page for subscription in self._open()}
            names = sorted({table for page in pages for table in self._tables[page]})
            state = self._lake.state(names)
            is_changed = False
            for page in pages:
                stamp = [state.versions.get(table, "unread") for table in self._tables[page]], state.error
                # Also when it is first read: the page may have asked for its data before that.
                if shown.get(page) != stamp:
                    shown[page], is_changed = stamp, True
                    self._publish(PAGE, page, only=page)
            self._lake.await_change(names, state, WAIT_SECONDS)
            time.sleep(pace.step() if is_changed else 0)
            yield

    def _publish(self, kind: str, data: Any, only: str | None = None) -> None:
        for subscription in self._open():
            if only in (None, subscription.page):
                subscription.publish(kind, data)

    def _open(self) -> list[Subscription]:
        with self._lock:
            return list(self._subscriptions)
