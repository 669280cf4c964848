"""The rows of many small commits are in few files, and they are the same rows."""

from collections.abc import Iterator

from labs.requirement import Requirement
from labs.tune_small_files.trickle import COMMITS, NAME

from shopnow.cli.endpoints import endpoints
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table

MAX_FILES = 2


def requirements() -> Iterator[Requirement]:
    _, lake = endpoints()
    snapshot = Table(lake, NAME).open_if_exists()
    commits = 0 if snapshot is None else snapshot.version()
    yield Requirement(
        f"the table {NAME} has at least {COMMITS} commits",
        commits >= COMMITS,
        f"it has {commits}: write it with python -m labs.tune_small_files.trickle",
    )
    assert snapshot is not None  # noqa: S101  (for mypy: it has commits)
    files = len(snapshot.file_uris())
    yield Requirement(
        f"its rows are in at most {MAX_FILES} files",
        files <= MAX_FILES,
        f"they are in {files} files: compact the table",
    )
    numbers = sorted(tables.read(snapshot)["number"].to_pylist())
    yield Requirement(
        "compaction has changed no row",
        numbers == list(range(COMMITS)),
        f"it has {len(numbers)} rows, expected the numbers 0 to {COMMITS - 1}: restore the version before",
    )
