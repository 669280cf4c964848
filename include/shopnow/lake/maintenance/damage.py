"""Find the damaged files of the lake, in every table and its log.

The checksums of intact files are recorded in the table `file_checksums`, so a later check notices any changed
byte, whatever wrote the file.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

import pyarrow as pa
from deltalake.exceptions import CommitFailedError

from shopnow.lake.delta import catalog, integrity, log, log_integrity, tables
from shopnow.lake.delta.errors import one_line
from shopnow.lake.delta.integrity import Checksums, Damage
from shopnow.lake.delta.log_integrity import LOG, LogFiles
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance.amendments import AMENDMENTS
from shopnow.lake.ingest.data_loss import LOSSES
from shopnow.lake.ingest.receipts import RECEIPTS
from shopnow.lake.lineage import lineage
from shopnow.lake.lineage.restatements import RESTATEMENTS

CHECKSUMS = "file_checksums"
SCHEMA = pa.schema(
    [
        pa.field("table", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False, metadata={"comment": "path in the table's folder"}),
        pa.field("checksum", pa.string(), nullable=False, metadata={"comment": "xxh3_128 of its bytes"}),
    ]
)
"""One row per file of the lake that an audit found intact; replaced by every audit."""

COLLECTED = (RECEIPTS, LOSSES, AMENDMENTS, RESTATEMENTS)

_SECONDS_BEFORE_CONFIRMATION = 1.0

Report = Callable[[str, str], None]


class TableState(NamedTuple):
    """Result of checking one table: its log, its damaged files, and the checksums of the others.

    `unreadable` is why the table cannot be opened; None if it can.
    """

    log: LogFiles
    damages: list[Damage]
    checksums: Checksums
    unreadable: str | None

    @property
    def damaged_data_files(self) -> set[str]:
        """Paths of the damaged data files."""
        return {damage.file for damage in self.damages if not damage.file.startswith(LOG)}


def check(lake: str, report: Report = lambda subject, what: None) -> dict[str, TableState]:
    """Check every file of every table of the lake, and return the result by table.

    Raises:
        OSError: the storage does not respond.
    """
    recorded = read_checksums(lake)
    names = sorted({*catalog.table_names(lake), *recorded})
    at_least = _known_versions(lake, names)
    return {
        name: check_table(Table(lake, name), recorded.get(name, {}), at_least.get(name, -1), report)
        for name in names
    }


def check_table(
    table: Table, recorded: Mapping[str, str], at_least: int = -1, report: Report = lambda subject, what: None
) -> TableState:
    """Check the files of a table; files that seem damaged are read a second time.

    Args:
        at_least: a version that the table is known to have reached.
    """
    state = _check_once(table, recorded, at_least, report)
    if not state.damages:
        return state
    # A file that is being replaced, such as `_last_checkpoint`, or cleaned up is not damaged.
    time.sleep(_SECONDS_BEFORE_CONFIRMATION)
    again = _check_once(table, recorded, at_least, report)
    seen = {damage.file for damage in state.damages}
    return again._replace(damages=[damage for damage in again.damages if damage.file in seen])


def record_checksums(lake: str, states: Mapping[str, TableState]) -> None:
    """Record the checksums of intact files; those of damaged files stay as they are."""
    recorded = read_checksums(lake)
    rows = []
    for name, state in sorted(states.items()):
        if name == CHECKSUMS:
            continue
        damaged = {damage.file for damage in state.damages}
        kept = {
            file: checksum
            for file, checksum in recorded.get(name, {}).items()
            if file in damaged or (state.unreadable and not file.startswith(LOG))
        }
        rows += [(name, *entry) for entry in sorted({**kept, **state.checksums}.items())]
    if rows == [(name, *entry) for name in sorted(recorded) for entry in sorted(recorded[name].items())]:
        return
    _write(lake, rows)


def forget_checksums(lake: str, table: str, files: Iterable[str]) -> None:
    """Remove the recorded checksums of files that a repair has written again under the same name."""
    recorded = read_checksums(lake)
    for file in files:
        recorded.get(table, {}).pop(file, None)
    _write(lake, [(name, *entry) for name in sorted(recorded) for entry in sorted(recorded[name].items())])


def read_checksums(lake: str) -> dict[str, Checksums]:
    """Return the recorded checksums by table and file; none if their table is damaged itself."""
    checksums: dict[str, Checksums] = {}
    try:
        snapshot = Table(lake, CHECKSUMS).open_if_exists()
        rows = tables.read(snapshot).to_pylist() if snapshot is not None else []
    except Exception:
        return {}
    for row in rows:
        checksums.setdefault(row["table"], {})[row["file"]] = row["checksum"]
    return checksums


def _write(lake: str, rows: Iterable[tuple[str, str, str]]) -> None:
    # An audit that runs at the same time records the same files.
    with suppress(CommitFailedError):
        tables.write(
            Table(lake, CHECKSUMS).ensure(SCHEMA),
            pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA),
            mode="overwrite",
        )


def _check_once(table: Table, recorded: Mapping[str, str], at_least: int, report: Report) -> TableState:
    # Commits that this process has cached may have been damaged since.
    log.evict(table.uri)
    log_files = log_integrity.read(table.name, table.uri, recorded, at_least)
    try:
        snapshot = table.open()
        damages, checksums = integrity.check_files(
            table.name,
            snapshot,
            recorded,
            lambda done, total: report(table.name, f"{done:,} of {total:,} files checked"),
        )
    except Exception as error:
        damages = log_files.damages or [
            Damage(table.name, LOG, f"cannot be read ({one_line(error)})", "all rows of the table")
        ]
        return TableState(log_files, damages, log_files.checksums, one_line(error))
    return TableState(log_files, [*log_files.damages, *damages], {**log_files.checksums, **checksums}, None)


def _known_versions(lake: str, names: Iterable[str]) -> dict[str, int]:
    """Return versions that tables have reached, as others were derived or collected from them."""
    known: dict[str, int] = {}

    def add(name: str, version: int | None) -> None:
        if version is not None:
            known[name] = max(known.get(name, -1), version)

    for name in names:
        table = Table(lake, name)
        # Of a damaged table, nothing is known.
        with suppress(Exception):
            snapshot = table.open()
            if name.startswith(("events/", "kpi/")):
                for source, version in lineage.sources(table, snapshot.version()).items():
                    if source in names:
                        add(source, version)
            for commit_table in COLLECTED:
                if commit_table.table == name:
                    for source in commit_table.sources:
                        add(source, snapshot.transaction_version(source))
    return known
