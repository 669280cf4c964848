"""What takes a while to ask for: asked in the background, and the answer before is kept when none comes."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from shopnow.errors import UserError

T = TypeVar("T")

ASK_SECONDS = 2.0
WAIT_SECONDS = 1.0


class Last(NamedTuple, Generic[T]):
    """What was fetched last."""

    value: T
    at: datetime | None
    """When; None if never."""
    trouble: str | None
    """Why nothing newer could be, in a sentence; None if it could."""


class Fetched(Generic[T]):
    """Something of a service, asked for at most every so many seconds, whoever asks, of whom none waits longer than another few."""

    def __init__(self, service: str, fetch: Callable[[], T], otherwise: T) -> None:
        self._service, self._fetch = service, fetch
        self._pool, self._lock = ThreadPoolExecutor(1, f"shopnow-tab-{service.lower()}"), Lock()
        self._asked: tuple[float, Future[Last[T]]] | None = None
        self._last = Last(otherwise, None, f"{service} has not answered yet")

    def __call__(self) -> Last[T]:
        with self._lock:
            if self._asked is None or (
                self._asked[1].done() and time.monotonic() - self._asked[0] > ASK_SECONDS
            ):
                self._asked = (
                    time.monotonic(),
                    self._pool.submit(lambda: Last(self._fetch(), datetime.now(UTC), None)),
                )
            try:
                self._last = self._asked[1].result(WAIT_SECONDS)
            except TimeoutError:
                self._last = self._last._replace(
                    trouble=self._last.trouble or f"{self._service} takes very long to answer"
                )
            except UserError as error:
                self._last = self._last._replace(trouble=str(error))
            return self._last
