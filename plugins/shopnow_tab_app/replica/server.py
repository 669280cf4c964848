"""Keeps copies of the lake's tables up to date in the background, for as long as somebody looks.

One thread reads; requests only ever query what it has copied, so that a lake that is slow or away makes figures old, which is
said, and no request wait. All of it is a process of its own: the API server starts it and writes to its standard input what it is to
keep. It ends when that is closed, however the API server ended.
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
from shopnow_tab_app.replica import derived_tables, replica
from shopnow_tab_app.replica.protocol import LISTENS, Asked, Copy, Derived, Manager, State, TableStats, Task

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""So often the tables that are looked at are asked for a new version."""
WATCHED_SECONDS = 60.0
"""So long after a request its tables are kept up to date."""
FIRST_SECONDS = 3.0
"""So long a request waits for a table nobody has looked at yet."""
PATIENCE_SECONDS = 20.0
"""So long one table may take until it is said that the lake does not answer."""
MEMORY = "192MB"
TRIES = 6
"""So often, every half second, a query is tried for which there is no memory, as there is while a large table is read."""


class ReplicaServer:
    """The copies, and the thread that keeps them."""

    def __init__(
        self, folder: str, address: str, wanted: Sequence[Copy], derived: Sequence[Derived] = ()
    ) -> None:
        """`folder` is a directory for them, `address` that of the lake."""
        self._address = address
        self._copies = {copy.table: copy for copy in wanted}
        self._derived = {each.table: each for each in derived}
        # Each thread has a cursor of its own; the connection itself does nothing, as to ask it for a cursor waits for what it does.
        self._connection = duckdb.connect(f"{folder}/copies.duckdb")
        self._database = self._connection.cursor()
        self._database.execute(
            f"SET memory_limit='{MEMORY}'; SET threads=2; SET preserve_insertion_order=false; SET TimeZone='UTC'"
        )
        for copy in wanted:
            replica.create(self._database, copy)
        for each in derived:
            derived_tables.create(self._database, each)
        self._changed = threading.Condition()
        self._asked: dict[str, float] = {}
        self._open: dict[str, DeltaTable] = {}
        self._stands: dict[str, TableStats] = {}
        self._files: dict[str, dict[str, int]] = {}
        self._versions: dict[str, int | None] = {}
        self._made: dict[str, dict[str, dict[str, int]]] = {}
        self._trouble: str | None = None
        self._as_of: datetime | None = None
        self._busy: float | None = None
        """Since when the thread has been at one table."""
        self._thread: threading.Thread | None = None

    def state(self, names: Iterable[str]) -> State:
        """Where these tables stand; has them kept up to date for a while. Waits a little for those never read."""
        names = tuple(names)
        asked = [
            *names,
            *(source for name in names if name in self._derived for source in self._derived[name].keys),
        ]
        now = time.monotonic()
        with self._changed:
            self._asked.update(dict.fromkeys(asked, now))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._keep, name="shopnow-tab-lake", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._stuck() or all(name in self._versions for name in names), FIRST_SECONDS
            )
            return State(
                {name: self._versions[name] for name in names if name in self._versions},
                tuple(name for name in names if name not in self._versions),
                self._stuck(),
                self._as_of,
            )

    def query(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[dict[str, Any]]:
        """The rows a query gives, by column."""
        with self._connection.cursor() as cursor:
            found = _executed(cursor, sql, parameters)
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def chunks(
        self, sql: str, parameters: Sequence[Any] | dict[str, Any], size: int
    ) -> Iterator[list[tuple]]:
        """The rows a query gives, so many at a time."""
        with self._connection.cursor() as cursor:
            found = _executed(cursor, sql, parameters)
            while rows := found.fetchmany(size):
                yield rows

    def stands(self, names: Iterable[str]) -> dict[str, TableStats]:
        """How those of the tables that there are were when they were last read."""
        stands = self._stands
        return {name: stands[name] for name in names if name in stands}

    def transaction_version(self, name: str, app_id: str) -> int | None:
        """The version of an application's transaction, by the log of a table that has a stand; None if there is none.

        Raises:
            UserError: the lake does not answer.
        """
        table = self._open.get(name)
        if table is None:
            raise UserError(f"{name} is being read anew: try again in a moment")
        with errors.as_user_errors(self._address):
            return table.transaction_version(app_id)

    def _stuck(self) -> str | None:
        if self._busy and time.monotonic() - self._busy > PATIENCE_SECONDS:
            return "HDFS takes very long to answer"
        return self._trouble

    def _keep(self) -> None:
        """Until nobody has looked for a while."""
        while wanted := self._watched():
            started = time.monotonic()
            try:
                self._read(wanted)
                trouble = None
            except UserError as error:
                trouble = str(error)
            except Exception:
                log.exception("the lake could not be read")
                trouble = "the lake could not be read; the API server's log says why"
            with self._changed:
                self._busy = None
                if trouble != self._trouble and trouble:
                    log.warning("%s", trouble)
                self._trouble = trouble
                self._changed.notify_all()
                self._pause(max(LOOK_SECONDS - (time.monotonic() - started), LOOK_SECONDS / 4))

    def _pause(self, seconds: float) -> None:
        """Until then, or until a table is asked for that nobody asked for before."""
        known = set(self._asked)
        self._changed.wait_for(lambda: not self._asked.keys() <= known, seconds)

    def _watched(self) -> list[str]:
        with self._changed:
            limit = time.monotonic() - WATCHED_SECONDS
            self._asked = {name: at for name, at in self._asked.items() if at > limit}
            # What nobody has read yet comes first: somebody may be waiting.
            return sorted(self._asked, key=lambda name: (name in self._versions, name))

    def _read(self, names: Sequence[str]) -> None:
        errors.check_reachable(self._address)
        with errors.as_user_errors(self._address):
            for name in names:
                if name not in self._derived:
                    self._note(name, self._look(name))
        for name in names:
            if each := self._derived.get(name):
                held = {source: self._files.get(source, {}) for source in each.keys}
                if self._made.get(name) != held:
                    derived_tables.update(self._database, each, self._made.get(name, {}), held)
                    self._made[name] = held
                    # Never one of a process before, whose answers may be kept.
                    self._note(name, (self._versions.get(name) or time.time_ns()) + 1)
        self._as_of = datetime.now(UTC)

    def _note(self, name: str, version: int | None) -> None:
        with self._changed:
            self._versions[name] = version
            self._changed.notify_all()

    def _look(self, name: str) -> int | None:
        """Bring a copy up to date; its version, None if there is no such table."""
        self._busy = time.monotonic()
        table = self._current(name)
        copy = self._copies.get(name)
        if table is None:
            self._stands.pop(name, None)
            self._open.pop(name, None)
            if copy and self._files.pop(name, None):
                replica.create(self._database, copy)
            return None
        if name not in self._stands or self._stands[name].version != table.version():
            files = data_files(table)
            if copy:
                self._files[name] = replica.update(
                    self._database, copy, table, files, self._files.get(name, {})
                )
            self._stands[name] = TableStats(table.version(), sum(file.rows for file in files))
        self._open[name] = table
        return table.version()

    def _current(self, name: str) -> DeltaTable | None:
        table = self._open.get(name)
        if table is not None:
            try:
                table.update_incremental()
                return table
            except DeltaError:
                pass  # its log was cleaned up, or it was made anew
        try:
            return Table(self._address, name).open()
        except TableNotFoundError:
            return None


def _executed(
    cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] | dict[str, Any]
) -> duckdb.DuckDBPyConnection:
    for left in reversed(range(TRIES)):
        try:
            return cursor.execute(sql, parameters)
        except duckdb.OutOfMemoryException:
            if left:
                time.sleep(0.5)
    raise UserError(
        "the memory for the figures is taken up by tables that are being read: try again in a moment"
    )


def main() -> None:
    """Keeps the copies until the standard input is closed."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    task: Task = pickle.load(sys.stdin.buffer)  # noqa: S301  (of the process that started this one)
    tempfile.tempdir = task.folder
    keeper = ReplicaServer(task.folder, task.address, task.copies, task.derived)
    Manager.register("keeper", lambda: keeper, Asked)
    server = Manager(task.socket, task.key).get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.write(sys.stdout.fileno(), LISTENS)
    sys.stdin.buffer.read()
    for _ in range(2):  # DuckDB may write meanwhile
        shutil.rmtree(task.folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
