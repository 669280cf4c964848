"""Read a table's Delta log directly, for what the library does not expose: every commit as it was written."""

import json
import re
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from cachetools import LRUCache
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, PyFileSystem

Actions = list[dict[str, Any]]

_COMMIT = re.compile(r"^(\d{20})\.json$")

# A commit never changes once it is written, so a process reads each once; a commit of landing takes a few KB.
_CACHE: LRUCache[tuple[str, int], Actions] = LRUCache(maxsize=1024)
_CACHE_LOCK = threading.Lock()


def commits(table_uri: str, last: int, first: int = 0) -> Iterator[tuple[int, Actions]]:
    """Yield version and actions of the commits from `first` to `last` that the log still holds, oldest first.

    The log is listed only if a commit of the range has not been read by this process yet. Do not modify the
    actions.
    """
    if all(_cached(table_uri, version) is not None for version in range(first, last + 1)):
        present = list(range(first, last + 1))
        log = None
    else:
        log = PyFileSystem(DeltaStorageHandler(f"{table_uri}/_delta_log"))
        entries = log.get_file_info(FileSelector("", recursive=False))
        present = [version for version in versions(e.base_name for e in entries) if first <= version <= last]
    for version in present:
        actions = _cached(table_uri, version)
        if actions is None:
            log = log or PyFileSystem(DeltaStorageHandler(f"{table_uri}/_delta_log"))
            actions = _read(log, version)
            with _CACHE_LOCK:
                _CACHE[table_uri, version] = actions
        yield version, actions


def evict(table_uri: str) -> None:
    """Forget the cached commits of a table, for one created again at the same address."""
    with _CACHE_LOCK:
        for key in [key for key in _CACHE if key[0] == table_uri]:
            del _CACHE[key]


def info(actions: Actions) -> dict[str, Any]:
    """Return the `commitInfo` of a commit; empty if it has none."""
    return next((action["commitInfo"] for action in actions if "commitInfo" in action), {})


def _cached(table_uri: str, version: int) -> Actions | None:
    with _CACHE_LOCK:
        return _CACHE.get((table_uri, version))


def file_name(version: int) -> str:
    """Return the name of a commit's file."""
    return f"{version:020}.json"


def versions(names: Iterable[str]) -> list[int]:
    """Return the versions of the commits among these file names, in order."""
    matches = map(_COMMIT.match, names)
    return sorted(int(match[1]) for match in matches if match)


def _read(log: PyFileSystem, version: int) -> Actions:
    with log.open_input_file(file_name(version)) as source:
        return [json.loads(line) for line in source.read().splitlines() if line.strip()]
