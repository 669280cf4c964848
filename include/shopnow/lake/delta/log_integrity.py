"""Find damaged files of a table's Delta log, with readers of our own.

A commit must be lines of JSON actions, and commits must follow each other without a gap. A checkpoint must
have the files and app transactions that the commits up to its version add up to, as far as the log still has
these. Commits and checkpoints never change, so their bytes must match the checksum of an earlier check.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, FileType, PyFileSystem

from shopnow.lake.delta import log
from shopnow.lake.delta.errors import one_line
from shopnow.lake.delta.integrity import Checksums, Damage, checksum

LOG = "_delta_log"
LAST_CHECKPOINT = "_last_checkpoint"

_ACTIONS = frozenset({"add", "remove", "metaData", "protocol", "txn", "commitInfo", "domainMetadata", "cdc"})
_REQUIRED = {
    "add": {"path", "partitionValues", "size", "modificationTime", "dataChange"},
    "remove": {"path", "dataChange"},
    "txn": {"appId", "version"},
    "metaData": {"id", "format", "schemaString", "partitionColumns"},
    "protocol": {"minReaderVersion", "minWriterVersion"},
}

_HINTS = frozenset(
    {"version", "size", "sizeInBytes", "numOfAddFiles", "parts", "checkpointSchema", "checksum", "tags"}
)


@dataclass
class State:
    """What commits add up to: active files, and versions of app transactions."""

    files: set[str] = field(default_factory=set)
    transactions: dict[str, int] = field(default_factory=dict)
    has_metadata: bool = False

    def apply(self, actions: Iterable[dict[str, Any]]) -> None:
        for action in actions:
            [(kind, content)] = action.items()
            if kind == "remove":
                self.files.discard(content["path"])
            elif kind == "add":
                self.files.add(content["path"])
            elif kind == "txn":
                self.transactions[content["appId"]] = content["version"]
            elif kind == "metaData":
                self.has_metadata = True


class LogFiles(NamedTuple):
    """Content of a log: valid commits and checkpoints by version, and the damaged files."""

    commits: dict[int, log.Actions]
    checkpoints: dict[int, State]
    damages: list[Damage]
    damaged_commits: list[int]
    """Versions of commits that are missing or not readable."""
    damaged_checkpoints: list[int]
    checksums: Checksums
    """Checksums of the intact commits and checkpoints, by path in the table's folder."""

    @property
    def newest(self) -> int:
        """The newest version, -1 if the log is empty."""
        return max([*self.commits, *self.checkpoints, *self.damaged_commits], default=-1)

    @property
    def checkpoint(self) -> int:
        """Version of the newest valid checkpoint, -1 if there is none."""
        return max(self.checkpoints, default=-1)


def read(
    name: str, table_uri: str, recorded: Mapping[str, str] = MappingProxyType({}), at_least: int = -1
) -> LogFiles:
    """Read the log of a table and check every file.

    Args:
        recorded: checksums of earlier checks, by path in the table's folder.
        at_least: a version that the table is known to have reached.

    Raises:
        OSError: the storage does not respond.
    """
    files = PyFileSystem(DeltaStorageHandler(f"{table_uri}/{LOG}"))
    names = {
        info.base_name
        for info in files.get_file_info(FileSelector("", recursive=False, allow_not_found=True))
        if info.type == FileType.File
    }
    damages: list[Damage] = []
    checksums: Checksums = {}

    def read_checked(file: str) -> bytes:
        data, path = _read(files, file), f"{LOG}/{file}"
        if recorded.get(path, actual := checksum(data)) != actual:
            raise ValueError("its bytes have changed since an earlier check")
        checksums[path] = actual
        return data

    def damage(file: str, problem: str, rows: str) -> None:
        checksums.pop(f"{LOG}/{file}", None)
        damages.append(Damage(name, f"{LOG}/{file}", problem, rows))

    commits: dict[int, log.Actions] = {}
    bad_commits: list[int] = []
    versions = log.versions(names)
    checkpoint_versions = sorted(
        int(file[:20]) for file in names if file[20:] == ".checkpoint.parquet" and file[:20].isdigit()
    )
    for version in versions:
        try:
            commits[version] = parse_commit(read_checked(log.file_name(version)))
        except Exception as error:
            bad_commits.append(version)
            damage(log.file_name(version), f"cannot be read ({one_line(error)})", f"version {version}")
    newest = max([*versions, *checkpoint_versions, at_least], default=-1)
    # Older commits are cleaned up once a checkpoint replaces them.
    oldest = min(versions, default=newest + 1) if checkpoint_versions else 0
    after = max(checkpoint_versions, default=-1) + 1
    for version in sorted({*range(oldest, newest + 1), *range(after, newest + 1)} - {*versions}):
        bad_commits.append(version)
        damage(log.file_name(version), "is missing", f"version {version}")

    checkpoints: dict[int, State] = {}
    bad_checkpoints: list[int] = []
    for version in checkpoint_versions:
        file = checkpoint_name(version)
        try:
            state = _read_checkpoint(read_checked(file))
            replayed = _replay(commits, checkpoints, version)
            if replayed is not None and (replayed.files, replayed.transactions) != (
                state.files,
                state.transactions,
            ):
                raise ValueError("its files or app transactions are not those of the commits")
            checkpoints[version] = state
        except Exception as error:
            bad_checkpoints.append(version)
            damage(file, f"cannot be read ({one_line(error)})", f"all rows of version {version}")
    _check_last_checkpoint(files, names, checkpoint_versions, damage)
    return LogFiles(commits, checkpoints, damages, sorted(bad_commits), bad_checkpoints, checksums)


def parse_commit(data: bytes) -> log.Actions:
    """Parse a commit strictly.

    Raises:
        ValueError: it has no action, or one that is not valid.
    """
    # Not `splitlines`, which would also split at characters that JSON allows in texts, such as U+2028.
    actions = [json.loads(line) for line in data.decode().split("\n") if line.strip()]
    if not actions:
        raise ValueError("it is empty")
    for action in actions:
        if not isinstance(action, dict) or len(action) != 1:
            raise ValueError("a line is not one action")
        [(kind, content)] = action.items()
        if kind not in _ACTIONS or not isinstance(content, dict):
            raise ValueError(f"unknown action {kind!r}")
        if missing := _REQUIRED.get(kind, set()) - {*content}:
            raise ValueError(f"action {kind} lacks {', '.join(sorted(missing))}")
    return actions


def _read_checkpoint(data: bytes) -> State:
    table = pq.ParquetFile(BytesIO(data), page_checksum_verification=True).read()
    table.validate(full=True)
    state = State()
    rows = table.select(
        [name for name in ("add", "txn", "metaData", "protocol") if name in table.column_names]
    )
    has_protocol = False
    for row in rows.to_pylist():
        if add := row.get("add"):
            state.apply([{"add": add}])
        if transaction := row.get("txn"):
            state.apply([{"txn": transaction}])
        if row.get("metaData") and row["metaData"].get("schemaString"):
            json.loads(row["metaData"]["schemaString"])
            state.has_metadata = True
        has_protocol = has_protocol or bool(row.get("protocol"))
    if not (state.has_metadata and has_protocol):
        raise ValueError("it has no table metadata")
    return state


def _replay(commits: dict[int, log.Actions], checkpoints: dict[int, State], version: int) -> State | None:
    """Return the state at a version by the commits since an earlier checkpoint; None if commits are gone."""
    base = max((earlier for earlier in checkpoints if earlier < version), default=-1)
    if any(number not in commits for number in range(base + 1, version + 1)):
        return None
    start = checkpoints.get(base, State())
    state = State(set(start.files), dict(start.transactions))
    for number in range(base + 1, version + 1):
        state.apply(commits[number])
    return state


def _check_last_checkpoint(
    files: PyFileSystem, names: set[str], versions: list[int], damage: Callable[[str, str, str], None]
) -> None:
    if LAST_CHECKPOINT not in names:
        if versions:
            damage(LAST_CHECKPOINT, "is missing", "no rows, only the version of the newest checkpoint")
        return
    try:
        hint = json.loads(_read(files, LAST_CHECKPOINT))
        version = hint["version"]
        if version not in versions:
            raise ValueError(f"there is no checkpoint of version {version}")
        [info] = files.get_file_info([checkpoint_name(version)])
        if hint.get("sizeInBytes", info.size) != info.size or not _HINTS.issuperset(hint):
            raise ValueError("it does not describe its checkpoint")
    except Exception as error:
        damage(
            LAST_CHECKPOINT,
            f"cannot be read ({one_line(error)})",
            "no rows, only the version of the newest checkpoint",
        )


def checkpoint_name(version: int) -> str:
    """Return the name of a checkpoint's file."""
    return f"{version:020}.checkpoint.parquet"


def _read(files: PyFileSystem, name: str) -> bytes:
    with files.open_input_file(name) as source:
        return source.read()
