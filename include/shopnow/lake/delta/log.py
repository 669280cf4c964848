"""A table's Delta log, read directly for what the library does not tell: every commit as it was written."""

import json
import re
from collections.abc import Iterator
from typing import Any

from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, PyFileSystem

from shopnow.lake.delta import tables

Actions = list[dict[str, Any]]

_COMMIT = re.compile(r"^(\d{20})\.json$")


def commits(lake: str, name: str, last: int, first: int = 0) -> Iterator[tuple[int, Actions]]:
    """The commits of a table from version `first` to `last` that its log still holds: version and actions, the oldest first."""
    log = PyFileSystem(DeltaStorageHandler(f"{tables.uri(lake, name)}/_delta_log"))
    for version in _versions(log):
        if first <= version <= last:
            yield version, _actions(log, version)


def info(actions: Actions) -> dict[str, Any]:
    """What a commit says of itself; empty if nothing."""
    return next((action["commitInfo"] for action in actions if "commitInfo" in action), {})


def _versions(log: PyFileSystem) -> list[int]:
    found = (_COMMIT.match(info.base_name) for info in log.get_file_info(FileSelector("", recursive=False)))
    return sorted(int(match[1]) for match in found if match)


def _actions(log: PyFileSystem, version: int) -> Actions:
    with log.open_input_file(f"{version:020}.json") as source:
        return [json.loads(line) for line in source.read().splitlines() if line.strip()]
