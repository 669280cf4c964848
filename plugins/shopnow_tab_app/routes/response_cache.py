"""Cached responses of the pages, computed once for each version of the tables they are built from.

Responses carry an ETag, so that a browser which has the current one gets 304 without a body.
"""

import hashlib
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from cachetools import LRUCache
from fastapi import Request, Response
from pydantic import BaseModel

MAX_RESPONSES = 500
LOCKS = 16


class _CachedResponse(NamedTuple):
    stamp: Any
    body: bytes
    etag: str


class ResponseCache:
    """The most recently used responses, by URL.

    An entry is valid while its stamp is unchanged. One of `LOCKS` locks, chosen by URL, makes concurrent
    requests for a URL share one computation; the cache itself is not thread-safe and has a lock of its own.
    """

    def __init__(self) -> None:
        self._cache: LRUCache[str, _CachedResponse] = LRUCache(MAX_RESPONSES)
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
                    stamp, body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
                )
                with self._cache_lock:
                    self._cache[url] = cached
        headers = {"ETag": cached.etag, "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") == cached.etag:
            return Response(status_code=304, headers=headers)
        return Response(cached.body, media_type="application/json", headers=headers)
