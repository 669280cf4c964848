"""Server of the replica: keeps copies of the lake's tables up to date while pages show them.

One thread reads the lake; requests only query the copies. A slow or unreachable lake therefore makes figures
old, which the pages say, but delays no request. The server is a process of its own: the API server starts it
and writes its configuration to its standard input, and the process ends when that is closed, however the API
server ended.
"""

import logging
import os
import pickle
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from shopnow.errors import UserError
from shopnow.lake.delta import errors
from shopnow.lake.delta.file_swap import data_files
from shopnow.lake.delta.tables import Table
from shopnow_tab_app.replica import derived_tables, queries, replica
from shopnow_tab_app.replica.protocol import (
    READY,
    DerivedTable,
    ReplicaManager,
    ReplicaProxy,
    ReplicaState,
    ServerConfig,
    TableCopy,
    TableStats,
)

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""Interval at which requested tables are checked for a new version."""
WATCHED_SECONDS = 60.0
"""Time after the last request for a table until it is no longer kept up to date."""
FIRST_READ_SECONDS = 3.0
"""How long a request waits for the first read of a table."""
SLOW_SECONDS = 20.0
"""Reading time of one table after which HDFS is reported as slow."""
MEMORY = "192MB"


class ReplicaServer:
    """The copies, and the thread that updates them."""

    def __init__(
        self, folder: str, address: str, copies: Sequence[TableCopy], derived: Sequence[DerivedTable] = ()
    ) -> None:
        """Create empty copies.

        Args:
            folder: directory for the copies.
            address: the lake's address.
            copies: tables to copy.
            derived: tables to compute from the copies.
        """
        self._address = address
        self._copies = {copy.table: copy for copy in copies}
        self._derived = {table.table: table for table in derived}
        # The connection runs no queries itself: opening a cursor, one for each thread, would wait for them.
        self._connection = duckdb.connect(f"{folder}/copies.duckdb")
        self._database = self._connection.cursor()
        self._database.execute(
            f"SET memory_limit='{MEMORY}'; SET threads=2; SET preserve_insertion_order=false; "
            "SET TimeZone='UTC'"
        )
        for copy in copies:
            replica.create(self._database, copy)
        for table in derived:
            derived_tables.create(self._database, table)
        self._changed = threading.Condition()
        self._requested: dict[str, float] = {}
        """By table, when it was last requested."""
        self._open: dict[str, DeltaTable] = {}
        self._stats: dict[str, TableStats] = {}
        self._file_numbers: dict[str, dict[str, int]] = {}
        """By copy, the numbers of its files by path."""
        self._versions: dict[str, int | None] = {}
        self._derived_from: dict[str, dict[str, dict[str, int]]] = {}
        """By derived table, the file numbers of its sources when it was last computed."""
        self._error: str | None = None
        self._table_errors: dict[str, str] = {}
        """Why a table cannot be read although others can, by table."""
        self._as_of: datetime | None = None
        self._reading_since: float | None = None
        """When the thread began to read the current table."""
        self._thread: threading.Thread | None = None

    def state(self, names: Iterable[str]) -> ReplicaState:
        """Return the versions of tables, and keep them up to date for WATCHED_SECONDS.

        Waits up to FIRST_READ_SECONDS for tables that were never read.
        """
        names = tuple(names)
        requested = [
            *names,
            *(source for name in names if name in self._derived for source in self._derived[name].keys),
        ]
        now = time.monotonic()
        with self._changed:
            self._requested.update(dict.fromkeys(requested, now))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="shopnow-tab-lake", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: (
                    self._current_error()
                    or all(name in self._versions or name in self._table_errors for name in names)
                ),
                FIRST_READ_SECONDS,
            )
            table_errors = [self._table_errors[name] for name in requested if name in self._table_errors]
            return ReplicaState(
                {name: self._versions[name] for name in names if name in self._versions},
                tuple(name for name in names if name not in self._versions),
                self._current_error() or next(iter(table_errors), None),
                self._as_of,
            )

    def await_change(self, names: Sequence[str], shown: ReplicaState, seconds: float) -> None:
        """Wait until tables have other versions, or reading them another error, than in this state."""
        before = dict(shown.versions)
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    {name: self._versions[name] for name in names if name in self._versions} != before
                    or bool(self._current_error()) != bool(shown.error)
                ),
                seconds,
            )

    def query(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query, by column name."""
        with self._connection.cursor() as cursor:
            result = queries.execute(cursor, sql, parameters)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def chunks(
        self, sql: str, parameters: Sequence[Any] | dict[str, Any], size: int
    ) -> Iterator[list[tuple]]:
        """Yield the rows of a query in chunks of `size` rows."""
        with self._connection.cursor() as cursor:
            result = queries.execute(cursor, sql, parameters)
            while rows := result.fetchmany(size):
                yield rows

    def table_stats(self, names: Iterable[str]) -> dict[str, TableStats]:
        """Return version and size of the tables that exist, as of their last read."""
        stats = self._stats
        return {name: stats[name] for name in names if name in stats}

    def transaction_version(self, name: str, app_id: str) -> int | None:
        """Return the version of an app transaction in the log of a table that was read.

        Returns:
            None if the log has no transaction of this app id.

        Raises:
            UserError: the lake does not answer.
        """
        table = self._open.get(name)
        if table is None:
            raise UserError(f"{name} is being read again; try again in a moment")
        with errors.as_user_errors(self._address):
            return table.transaction_version(app_id)

    def _current_error(self) -> str | None:
        if self._reading_since and time.monotonic() - self._reading_since > SLOW_SECONDS:
            return "HDFS is slow to answer"
        return self._error

    def _run(self) -> None:
        """Update the requested tables until none was requested for WATCHED_SECONDS."""
        while names := self._requested_tables():
            started = time.monotonic()
            try:
                self._update(names)
                message = None
            except UserError as error:
                message = str(error)
            except Exception:
                log.exception("reading the lake failed")
                message = "reading the lake failed; see the API server's log for the reason"
            with self._changed:
                self._reading_since = None
                if message != self._error and message:
                    log.warning("%s", message)
                self._error = message
                self._changed.notify_all()
                self._pause(max(POLL_SECONDS - (time.monotonic() - started), POLL_SECONDS / 4))

    def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until the first request for another table."""
        before = set(self._requested)
        self._changed.wait_for(lambda: not self._requested.keys() <= before, seconds)

    def _requested_tables(self) -> list[str]:
        with self._changed:
            limit = time.monotonic() - WATCHED_SECONDS
            self._requested = {name: at for name, at in self._requested.items() if at > limit}
            # Unread tables come first, because a request may be waiting for them.
            return sorted(self._requested, key=lambda name: (name in self._versions, name))

    def _update(self, names: Sequence[str]) -> None:
        errors.check_reachable(self._address)
        for name in sorted(names, key=lambda name: name in self._derived):
            try:
                if name in self._derived:
                    self._update_derived(name)
                else:
                    with errors.as_user_errors(self._address):
                        self._set_version(name, self._update_copy(name))
            except Exception:
                errors.check_reachable(self._address)
                # The copy keeps its last version, and the other tables are read.
                log.exception("table %s cannot be read", name)
                with self._changed:
                    self._table_errors[name] = (
                        f"table {name} cannot be read; see the API server's log for the reason"
                    )
                    self._changed.notify_all()
            else:
                self._table_errors.pop(name, None)
        self._as_of = datetime.now(UTC)

    def _update_derived(self, name: str) -> None:
        derived = self._derived[name]
        sources = {source: self._file_numbers.get(source, {}) for source in derived.keys}
        if self._derived_from.get(name) != sources:
            derived_tables.update(self._database, derived, self._derived_from.get(name, {}), sources)
            self._derived_from[name] = sources
            # Versions start at the time, so that none equals one of an earlier process, which may be part of
            # a cached response's stamp.
            self._set_version(name, (self._versions.get(name) or time.time_ns()) + 1)

    def _set_version(self, name: str, version: int | None) -> None:
        with self._changed:
            self._versions[name] = version
            self._changed.notify_all()

    def _update_copy(self, name: str) -> int | None:
        """Bring a copy up to date and return its version; None if the lake does not have the table."""
        self._reading_since = time.monotonic()
        table = self._open_latest(name)
        copy = self._copies.get(name)
        if table is None:
            self._stats.pop(name, None)
            self._open.pop(name, None)
            if copy and self._file_numbers.pop(name, None):
                replica.create(self._database, copy)
            return None
        if name not in self._stats or self._stats[name].version != table.version():
            files = data_files(table)
            if copy:
                self._file_numbers[name] = replica.update(
                    self._database, copy, table, files, self._file_numbers.get(name, {})
                )
            self._stats[name] = TableStats(table.version(), sum(file.rows for file in files))
        self._open[name] = table
        return table.version()

    def _open_latest(self, name: str) -> DeltaTable | None:
        table = self._open.get(name)
        if table is not None:
            try:
                table.update_incremental()
                return table
            except DeltaError:
                pass  # The log was cleaned up, or the table was recreated.
        try:
            return Table(self._address, name).open()
        except TableNotFoundError:
            return None


def main() -> None:
    """Serve the replica until the standard input is closed."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    config: ServerConfig = pickle.load(sys.stdin.buffer)  # noqa: S301  (written by the parent process)
    tempfile.tempdir = config.folder
    replica_server = ReplicaServer(config.folder, config.address, config.copies, config.derived)
    ReplicaManager.register("replica", lambda: replica_server, ReplicaProxy)
    server = ReplicaManager(config.socket("self"), config.key).get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.write(sys.stdout.fileno(), READY)
    sys.stdin.buffer.read()
    for _ in range(2):  # DuckDB may write a file during the first attempt.
        shutil.rmtree(config.folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
