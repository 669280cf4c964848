"""A cache of a slow service's responses, refreshed in the background."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from shopnow.errors import UserError

T = TypeVar("T")

POLL_SECONDS = 2.0
WAIT_SECONDS = 1.0


class PollResult(NamedTuple, Generic[T]):
    """The last response of a service."""

    value: T
    fetched_at: datetime | None
    """None before the first response."""
    error: str | None
    """Why the service gave no newer response, in a sentence; None if it did."""


class PolledCache(Generic[T]):
    """Cached response of a service, refreshed at most every POLL_SECONDS; callers wait at most WAIT_SECONDS.

    A library's TTL cache does not fit: after a slow or failed refresh the previous response is returned with
    the error, and a slow refresh goes on in the background.
    """

    def __init__(self, service: str, fetch: Callable[[], T], default: T) -> None:
        self._service, self._fetch = service, fetch
        self._pool, self._lock = ThreadPoolExecutor(1, f"shopnow-tab-{service.lower()}"), Lock()
        self._refresh: tuple[float, Future[PollResult[T]]] | None = None
        """When the latest refresh began (monotonic clock), and its result."""
        self._last = PollResult(default, None, f"{service} has not answered yet")

    def __call__(self) -> PollResult[T]:
        """Return the newest response, or the previous one with the error of the latest refresh."""
        with self._lock:
            if self._refresh is None or (
                self._refresh[1].done() and time.monotonic() - self._refresh[0] > POLL_SECONDS
            ):
                self._refresh = (time.monotonic(), self._pool.submit(self._poll))
            try:
                self._last = self._refresh[1].result(WAIT_SECONDS)
            except TimeoutError:
                self._last = self._last._replace(
                    error=self._last.error or f"{self._service} is slow to answer"
                )
            except UserError as error:
                self._last = self._last._replace(error=str(error))
            return self._last

    def _poll(self) -> PollResult[T]:
        return PollResult(self._fetch(), datetime.now(UTC), None)
