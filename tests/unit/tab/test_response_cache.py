"""The cache of responses: bounded in bytes, whatever the URLs and the responses."""

import pytest
from fastapi import Request
from pydantic import BaseModel

from shopnow_tab_app.routes import response_cache
from shopnow_tab_app.routes.response_cache import ENTRY_BYTES, ResponseCache


class Text(BaseModel):
    text: str


def request(query: str) -> Request:
    return Request({"type": "http", "path": "/api/x", "query_string": query.encode(), "headers": []})


def cached_bytes(cache: ResponseCache) -> int:
    return sum(len(response.body) + len(response.url) for response in cache._cache.values())


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> ResponseCache:
    monkeypatch.setattr(response_cache, "MAX_BYTES", 100_000)
    return ResponseCache()


@pytest.mark.parametrize(("query", "text"), [(1, 10_000), (10_000, 1), (1, 1), (1, 200_000)])
def test_cached_bytes_are_bounded(cache: ResponseCache, query: int, text: int) -> None:
    for number in range(1_000):
        response = cache.respond(request(f"{number}{'q' * query}"), 1, lambda: Text(text="x" * text))
        assert len(response.body) > text
    assert cached_bytes(cache) <= 100_000
    assert len(cache._cache) <= 100_000 // ENTRY_BYTES


def test_the_most_recent_responses_are_kept(cache: ResponseCache) -> None:
    computed: list[str] = []

    def respond(query: str, size: int) -> None:
        def compute() -> Text:
            computed.append(query)
            return Text(text="x" * size)

        cache.respond(request(query), 1, compute)

    for query, size in (("a", 40_000), ("b", 40_000), ("a", 40_000), ("c", 40_000), ("a", 40_000)):
        respond(query, size)
    assert computed == ["a", "b", "c"]
