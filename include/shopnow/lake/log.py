"""A table's Delta log, read directly for what the library does not tell: every commit as it was written, every app transaction."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow.parquet as pq
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, PyFileSystem

from shopnow.lake import tables

Actions = list[dict[str, Any]]

_COMMIT = re.compile(r"^(\d{20})\.json$")
_CHECKPOINT = re.compile(r"^(\d{20})\.checkpoint(\.\d{10}\.\d{10})?\.parquet$")


def commits(lake: str, name: str, last: int, first: int = 0) -> Iterator[tuple[int, Actions]]:
    """The commits of a table from version `first` to `last` that its log still holds: version and actions, the oldest first."""
    log = _log(lake, name)
    versions = sorted(version for version in _versions(log, _COMMIT) if first <= version <= last)
    with ThreadPoolExecutor(8) as readers:
        yield from zip(versions, readers.map(lambda version: _actions(log, version), versions), strict=True)


def app_transactions(lake: str, name: str, last: int) -> dict[str, int]:
    """Every app transaction of the table at version `last`: its version by app id."""
    log = _log(lake, name)
    checkpoints = _versions(log, _CHECKPOINT)
    newest = max((version for version in checkpoints if version <= last), default=-1)
    found: dict[str, int] = {}
    for file in checkpoints.get(newest, ()):
        with log.open_input_file(file) as source:
            for txn in pq.read_table(source, columns=["txn"])["txn"].drop_null().to_pylist():
                found[txn["appId"]] = txn["version"]
    for _, actions in commits(lake, name, last, first=newest + 1):
        found.update({action["txn"]["appId"]: action["txn"]["version"] for action in actions if "txn" in action})
    return found


def _log(lake: str, name: str) -> PyFileSystem:
    return PyFileSystem(DeltaStorageHandler(f"{tables.uri(lake, name)}/_delta_log"))


def _versions(log: PyFileSystem, pattern: re.Pattern[str]) -> dict[int, list[str]]:
    files: dict[int, list[str]] = {}
    for info in log.get_file_info(FileSelector("", recursive=False)):
        if match := pattern.match(info.base_name):
            files.setdefault(int(match[1]), []).append(info.path)
    return files


def _actions(log: PyFileSystem, version: int) -> Actions:
    with log.open_input_file(f"{version:020}.json") as source:
        return [json.loads(line) for line in source.read().splitlines() if line.strip()]
