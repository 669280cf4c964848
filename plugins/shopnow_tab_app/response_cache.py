"""Answers to what pages ask: worked out once for each version of the tables they rest on, however many pages ask.

An answer carries an ETag, so that a page that has it already gets 304 and nothing else.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import NamedTuple

from fastapi import Request, Response
from pydantic import BaseModel

from shopnow_tab_app.replica.client import Lake
from shopnow_tab_app.replica.protocol import State

KEPT = 500


class Missing(BaseModel):
    """Something an answer had to do without."""

    what: str
    """A table's name, `lake`, `kafka` or `airflow`."""
    why: str
    """`absent`: not there yet; `unread`: being read for the first time; otherwise in a sentence."""
    as_of: datetime | None = None
    """Of when is what is shown all the same, UTC; null if nothing is."""


class Answer(BaseModel):
    """What every answer says beside its contents."""

    as_of: str | None
    """Since when what was read of the lake is as it is here, UTC."""
    missing: list[Missing]


class _Kept(NamedTuple):
    stamp: Hashable
    body: bytes
    etag: str


class Answers:
    """The newest answers, by what was asked."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._locks: dict[int, threading.Lock] = {number: threading.Lock() for number in range(16)}

    def give(
        self,
        request: Request,
        tables: Sequence[str],
        work: Callable[[State], BaseModel],
        also: Hashable = None,
    ) -> Response:
        """The answer to a request: `work` done on these tables, or what it gave before if nothing has changed.

        Args:
            also: what the answer rests on beside the tables.
        """
        state = self.lake.state(tables)
        return self.keep(request, (tuple(state.versions.items()), state.trouble, also), lambda: work(state))

    def keep(self, request: Request, stamp: Hashable, work: Callable[[], BaseModel]) -> Response:
        """The answer to a request: what `work` gives, or gave when the stamp was the same."""
        key = f"{request.url.path}?{request.url.query}"
        with self._locks[hash(key) % len(self._locks)]:
            kept = self._kept.get(key)
            if kept is None or kept.stamp != stamp:
                body = work().model_dump_json().encode()
                kept = _Kept(stamp, body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')
                self._kept[key] = kept
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        headers = {"ETag": kept.etag, "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") == kept.etag:
            return Response(status_code=304, headers=headers)
        return Response(kept.body, media_type="application/json", headers=headers)


def missing(state: State) -> list[Missing]:
    """What of the lake an answer had to do without."""
    found = [Missing(what=name, why="absent") for name, version in state.versions.items() if version is None]
    if state.trouble:
        return [Missing(what="lake", why=state.trouble, as_of=state.as_of), *found]
    return [*found, *(Missing(what=name, why="unread") for name in state.unread)]


def as_of(state: State) -> str | None:
    return state.as_of.isoformat(timespec="seconds") if state.as_of else None
