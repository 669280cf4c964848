"""Client of the replica, whose process it starts.

It is a separate process, so that reading a large table takes neither memory nor the interpreter lock from the
API server, which serves all of Airflow's pages.
"""

import logging
import os
import pickle
import secrets
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from shopnow.errors import UserError
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

CONNECTION_ERRORS = (EOFError, ConnectionError, FileNotFoundError)
"""Errors of a call to a process that has ended."""
RESTART_MESSAGE = "the process that reads the lake ended and is being restarted; try again in a moment"

START_SECONDS = 30.0
"""Time limit for the process to start."""
RETRY_SECONDS = 5.0
"""Wait after a failed start, or a failed look-up of the lake's address."""
ADDRESS_SECONDS = 2.0
"""How long the lake's address is cached."""


class _Running(NamedTuple):
    process: subprocess.Popen
    proxy: ReplicaProxy
    address: str
    folder: tempfile.TemporaryDirectory


class LakeReplica:
    """The replica, in a process of its own.

    The process is started on the first call, and again if it ends or the lake's address changes.

    Every method raises UserError if the process cannot be started, or Airflow has no address of the lake.
    """

    def __init__(
        self,
        address: Callable[[], str],
        copies: Sequence[TableCopy],
        derived: Sequence[DerivedTable] = (),
        conf: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        """Configure the replica without starting its process.

        Args:
            address: function that returns the lake's address.
            copies: tables to copy.
            derived: tables to compute from the copies.
            conf: function that returns the Kafka configuration, for records that the lake lacks.
        """
        self._address, self._copies, self._derived, self._conf = address, copies, derived, conf
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._cached_address: tuple[float, str] | None = None
        """The lake's address, after the monotonic time at which it expires."""
        self._start_error: tuple[float, str] | None = None
        """Why the process did not start, after the monotonic time of the next attempt."""

    def close(self) -> None:
        """End the process; the next call starts another."""
        with self._lock:
            self._end()

    def state(self, names: Iterable[str]) -> ReplicaState:
        """Return the versions of tables, and keep them up to date for a while.

        Waits a few seconds for tables that were never read.
        """
        return self._call("state", tuple(names))

    def await_change(self, names: Iterable[str], shown: ReplicaState, seconds: float) -> None:
        """Wait until tables have other versions, or reading them another error, than in this state."""
        self._call("await_change", tuple(names), shown, seconds)

    def query(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query, by column name."""
        return self._call("query", sql, parameters)

    def chunks(
        self, sql: str, parameters: Sequence[Any] | dict[str, Any], size: int
    ) -> Iterator[list[tuple]]:
        """Yield the rows of a query in chunks of `size` rows."""
        try:
            yield from self._call("chunks", sql, parameters, size)
        except CONNECTION_ERRORS as error:
            raise UserError(RESTART_MESSAGE) from error

    def table_stats(self, names: Iterable[str]) -> dict[str, TableStats]:
        """Return version and size of the tables that exist, as of their last read."""
        return self._call("table_stats", tuple(names))

    def transaction_version(self, name: str, app_id: str) -> int | None:
        """Return the version of an app transaction in the log of a table that was read.

        Returns:
            None if the log has no transaction of this app id.

        Raises:
            UserError: the lake does not answer.
        """
        return self._call("transaction_version", name, app_id)

    def _call(self, method: str, *arguments: Any) -> Any:
        # All methods only read, so a call that a crash interrupted can be repeated in the next process.
        for is_last in (False, True):
            call: Callable[[str, tuple], Any] = self._proxy()._callmethod
            try:
                return call(method, arguments)
            except CONNECTION_ERRORS as error:
                if is_last:
                    raise UserError(RESTART_MESSAGE) from error
        raise AssertionError

    def _proxy(self) -> ReplicaProxy:
        with self._lock:
            now = time.monotonic()
            if self._start_error and now < self._start_error[0]:
                raise UserError(self._start_error[1])
            try:
                if self._cached_address is None or now > self._cached_address[0]:
                    self._cached_address = now + ADDRESS_SECONDS, _resolve_address(self._address)
                address = self._cached_address[1]
                if self._running and (
                    self._running.address != address or self._running.process.poll() is not None
                ):
                    self._end()
                self._running = self._running or self._start(address)
            except UserError as error:
                self._start_error = time.monotonic() + RETRY_SECONDS, str(error)
                raise
            return self._running.proxy

    def _start(self, address: str) -> _Running:
        folder = tempfile.TemporaryDirectory(prefix="shopnow-tab-")
        conf = _look_up(self._conf) if self._conf else None
        config = ServerConfig(folder.name, secrets.token_bytes(), address, self._copies, self._derived, conf)
        modules = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        # The reader of the lake has no use for Airflow's keys and connections.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "shopnow_tab_app.replica"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**inherited, "PYTHONPATH": os.pathsep.join(modules)},
            cwd=folder.name,
        )
        try:
            stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
            stdin.write(pickle.dumps(config))
            stdin.flush()
            if not _wait_readable(stdout, START_SECONDS) or stdout.read(len(READY)) != READY:
                raise UserError(
                    "the process that reads the lake does not start; see the API server's log for the reason"
                )
            manager = ReplicaManager(config.socket(process.pid), config.key)
            manager.connect()
            return _Running(process, manager.replica(), address, folder)  # type: ignore[attr-defined]
        except BaseException as error:
            _stop(process, folder)
            if isinstance(error, CONNECTION_ERRORS):
                raise UserError(RESTART_MESSAGE) from error
            raise

    def _end(self) -> None:
        if running := self._running:
            self._running = None
            _stop(running.process, running.folder)


def _resolve_address(address: Callable[[], str]) -> str:
    try:
        return address()
    except Exception as error:  # Airflow raises errors of many types for a missing or invalid connection.
        raise UserError(
            "no address of the lake from Airflow; check the lake's connection: "
            f"{error or type(error).__name__}"
        ) from error


def _look_up(conf: Callable[[], Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the Kafka configuration; None, with a warning, if Airflow has no valid one."""
    try:
        return dict(conf())
    except Exception as error:  # Airflow raises errors of many types for a missing or invalid connection.
        log.warning("there will be no provisional rows: no Kafka connection from Airflow: %s", error)
        return None


def _wait_readable(stream: IO[bytes], seconds: float) -> bool:
    # select.select rejects descriptors over 1,023, which a server may reach.
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return bool(selector.select(seconds))


def _stop(process: subprocess.Popen, folder: tempfile.TemporaryDirectory) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            with suppress(BrokenPipeError):
                stream.close()
    folder.cleanup()
