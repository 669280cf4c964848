"""Server of the replica: keeps copies of the lake's tables up to date while pages show them.

One thread reads the lake; requests only query the copies. A slow or unreachable lake therefore makes figures
old, which the pages say, but delays no request. The server is a process of its own: the API server starts it
and writes its configuration to its standard input, and the process ends when that is closed, however the API
server ended.
"""

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
from confluent_kafka import Message
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from shopnow.errors import UserError
from shopnow.lake.delta import errors
from shopnow.lake.delta import log as log_cache
from shopnow.lake.delta.file_swap import data_files
from shopnow.lake.delta.tables import Table
from shopnow_tab_app.replica import queries
from shopnow_tab_app.replica.copy_store import CopyStore
from shopnow_tab_app.replica.pending import PendingRows
from shopnow_tab_app.replica.protocol import (
    DerivedTable,
    ReplicaState,
    TableCopy,
    TableStats,
)
from shopnow_tab_app.replica.topic_reader import TopicReader
from shopnow_tab_app.replica.versions import Versions

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
        self,
        folder: str,
        address: str,
        copies: Sequence[TableCopy],
        derived: Sequence[DerivedTable] = (),
        conf: Mapping[str, Any] | None = None,
    ) -> None:
        """Create empty copies.

        Args:
            folder: directory for the copies.
            address: the lake's address.
            copies: tables to copy.
            derived: tables to compute from the copies.
            conf: configuration of Kafka's clients; None to copy the lake only.
        """
        self._address = address
        # The connection runs no queries itself: opening a cursor, one for each thread, would wait for them.
        self._connection = duckdb.connect(f"{folder}/copies.duckdb")
        database = self._connection.cursor()
        database.execute(
            f"SET memory_limit='{MEMORY}'; SET threads=2; SET preserve_insertion_order=false; "
            "SET GLOBAL TimeZone='UTC'"
        )
        self._store = CopyStore(database, address, copies, derived, with_topics=conf is not None)
        self._topics = TopicReader(conf or {}, self._store.pending, self._add, lambda: self._requested)
        self._versions = Versions()
        self._changed = self._versions.changed
        self._requested: dict[str, float] = {}
        """By table, when it was last requested."""
        self._open: dict[str, DeltaTable] = {}
        self._stats: dict[str, TableStats] = {}
        self._error: str | None = None
        self._table_errors: dict[str, str] = {}
        """Why a table cannot be read although others can, by table."""
        self._as_of: datetime | None = None
        self._reading_since: float | None = None
        """When the thread began to read the current table."""
        self._read_at: dict[str, float] = {}
        """By table, when its last update began."""
        self._resumed: dict[str, float] = {}
        """By table, when it was first requested after an idle time."""
        self._thread: threading.Thread | None = None

    def state(self, names: Iterable[str]) -> ReplicaState:
        """Return the versions of tables, and keep them up to date for WATCHED_SECONDS.

        Waits up to FIRST_READ_SECONDS for tables that were never read, or not kept up to date lately.
        """
        names = tuple(names)
        requested = [*names, *self._store.sources(names)]
        now = time.monotonic()
        with self._changed:
            idle = [name for name in requested if self._requested.get(name, 0.0) < now - WATCHED_SECONDS]
            self._resumed.update(dict.fromkeys(idle, now))
            self._requested.update(dict.fromkeys(requested, now))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="shopnow-tab-lake", daemon=True)
                self._thread.start()
            if self._store.pending.keys() & set(requested):
                self._topics.start()
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: (
                    self._current_error()
                    or all(
                        name in self._table_errors
                        or (name in self._versions and self._read_at.get(name, 0.0) >= self._resumed[name])
                        for name in names
                    )
                ),
                FIRST_READ_SECONDS,
            )
            return ReplicaState(
                self._versions.of(names),
                tuple(name for name in names if name not in self._versions),
                self._error_of(requested),
                self._as_of,
            )

    def await_change(self, names: Sequence[str], shown: ReplicaState, seconds: float) -> None:
        """Wait until tables have other versions, or reading them another error, than in this state."""
        before = dict(shown.versions)
        read = [*names, *self._store.sources(names)]
        with self._changed:
            self._changed.wait_for(
                lambda: self._versions.of(names) != before or self._error_of(read) != shown.error,
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

    def _error_of(self, names: Iterable[str]) -> str | None:
        """Return why the lake, or one of these tables, cannot be read."""
        table_errors = [self._table_errors[name] for name in names if name in self._table_errors]
        return self._current_error() or next(iter(table_errors), None)

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
        for name in sorted(names, key=self._store.is_derived):
            started = time.monotonic()
            try:
                if self._store.is_derived(name):
                    self._update_derived(name)
                else:
                    with errors.as_user_errors(self._address):
                        self._versions.set_table(name, self._update_copy(name))
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
                with self._changed:
                    self._table_errors.pop(name, None)
                    self._read_at[name] = started
                    self._changed.notify_all()
        self._as_of = datetime.now(UTC)

    def _update_derived(self, name: str) -> None:
        if self._store.update_derived(name) or name not in self._versions:
            self._versions.set_next(name)

    def _add(self, pending: PendingRows, messages: Sequence[Message], kafka_id: str) -> None:
        """Show new records of a topic at once."""
        name = pending.copy.table
        if not self._store.add(pending, messages, kafka_id):
            return
        derived = []
        try:
            for table in self._store.derived_from(name):
                if table in self._versions and self._store.update_derived(table):
                    derived.append(table)
        finally:
            with self._changed:  # one change, as a page shows several of these tables
                self._versions.add_rows(name)
                for table in derived:
                    self._versions.set_next(table)

    def _update_copy(self, name: str) -> int | None:
        """Bring a copy up to date and return its version; None if the lake does not have the table."""
        self._reading_since = time.monotonic()
        table = self._open_latest(name)
        if table is None:
            self._stats.pop(name, None)
            self._open.pop(name, None)
            self._store.clear(name)
            return None
        if name not in self._stats or self._stats[name].version != table.version():
            files = data_files(table)
            self._store.update(name, table, files)
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
            latest = Table(self._address, name)
            log_cache.evict(latest.uri)
            return latest.open()
        except TableNotFoundError:
            return None
