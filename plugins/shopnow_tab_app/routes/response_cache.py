"""Cached responses of the pages, computed once for each version of the tables they are built from.

Responses carry an ETag, so that a browser which has the current one gets 304 without a body.
"""

import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from cachetools import LRUCache
from fastapi import Request, Response
from pydantic import BaseModel

MAX_BYTES = 32 << 20
"""Size of all cached responses; the largest ones, of a period of ten years, have a quarter of a MiB."""
ENTRY_BYTES = 1 << 10
"""Size of a cached response without URL and body."""
LOCKS = 16


class _CachedResponse(NamedTuple):
    url: str
    stamp: Any
    body: bytes
    etag: str


def _size(response: _CachedResponse) -> int:
    return ENTRY_BYTES + len(response.url) + len(response.body)


class ResponseCache:
    """The most recently used responses, by URL, of at most `MAX_BYTES` in all.

    An entry is valid while its stamp is unchanged. One of `LOCKS` locks, chosen by URL, makes concurrent
    requests for a URL share one computation; the cache itself is not thread-safe and has a lock of its own.
    """

    def __init__(self) -> None:
        self._cache: LRUCache[str, _CachedResponse] = LRUCache(MAX_BYTES, _size)
        self._cache_lock = threading.Lock()
        self._url_locks = [threading.Lock() for _ in range(LOCKS)]

    def respond(self, request: Request, stamp: Any, compute: Callable[[], BaseModel]) -> Response:
        """Respond to a request with the cached response, or compute it if the stamp changed.

        Args:
            request: request of a page or of another program.
            stamp: equal for equal contents, such as the versions of the tables.
            compute: function that computes the contents.
        """
        url = f"{request.url.path}?{request.url.query}"
        with self._url_locks[hash(url) % LOCKS]:
            with self._cache_lock:
                cached = self._cache.get(url)
            if cached is None or cached.stamp != stamp:
                body = compute().model_dump_json().encode()
                cached = _CachedResponse(
                    url, stamp, body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
                )
                # The cache raises a ValueError for a response that is larger than the whole cache.
                with self._cache_lock, suppress(ValueError):
                    self._cache[url] = cached
        headers = {"ETag": cached.etag, "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") == cached.etag:
            return Response(status_code=304, headers=headers)
        return Response(cached.body, media_type="application/json", headers=headers)
