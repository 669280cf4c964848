"""What the pages know of the lake, asked of a process of its own.

There it takes neither memory nor Python's lock from the API server, which serves all of Airflow's pages, to read a large table.
"""

import os
import pickle
import secrets
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from shopnow.errors import UserError
from shopnow_tab_app.replica.protocol import LISTENS, Asked, Copy, Derived, Manager, State, TableStats, Task

ENDED = (EOFError, ConnectionError, FileNotFoundError)
"""What asking a process that ended raises."""
ENDS = "the process that reads the lake ended and is started again: try again in a moment"

START_SECONDS = 30.0
"""So long the process may take to start."""
AGAIN_SECONDS = 5.0
"""So long after it could not be started, or the lake's address not be had, nobody tries again."""
ADDRESS_SECONDS = 2.0
"""So old the lake's address may be."""


class _Running(NamedTuple):
    process: subprocess.Popen
    keeper: Asked
    address: str
    folder: tempfile.TemporaryDirectory


class Lake:
    """The process that keeps the copies: started when something is asked, and anew when it ended or the lake's address is another.

    Whatever is asked raises UserError if there is none, or if it does not say where the lake is.
    """

    def __init__(
        self, address: Callable[[], str], wanted: Sequence[Copy], derived: Sequence[Derived] = ()
    ) -> None:
        self._address, self._wanted, self._derived = address, wanted, derived
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._known: tuple[float, str] | None = None
        """The lake's address, and until when it is believed."""
        self._failed: tuple[float, str] | None = None
        """Why there is no process, and until when that is believed."""

    def close(self) -> None:
        """Ends the process; the next question starts another."""
        with self._lock:
            self._end()

    def state(self, names: Iterable[str]) -> State:
        """Where these tables stand; has them kept up to date for a while. Waits a little for those never read."""
        return self._ask("state", tuple(names))

    def query(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[dict[str, Any]]:
        """The rows a query gives, by column."""
        return self._ask("query", sql, parameters)

    def chunks(
        self, sql: str, parameters: Sequence[Any] | dict[str, Any], size: int
    ) -> Iterator[list[tuple]]:
        """The rows a query gives, so many at a time."""
        try:
            yield from self._ask("chunks", sql, parameters, size)
        except ENDED as error:
            raise UserError(ENDS) from error

    def stands(self, names: Iterable[str]) -> dict[str, TableStats]:
        """How those of the tables that there are were when they were last read."""
        return self._ask("stands", tuple(names))

    def transaction_version(self, name: str, app_id: str) -> int | None:
        """The version of an application's transaction, by the log of a table that has a stand; None if there is none.

        Raises:
            UserError: the lake does not answer.
        """
        return self._ask("transaction_version", name, app_id)

    def _ask(self, method: str, *arguments: Any) -> Any:
        # Whatever can be asked only reads: when the process ended on the way, it is asked of the next.
        for last in (False, True):
            call: Callable[[str, tuple], Any] = self._keeper()._callmethod
            try:
                return call(method, arguments)
            except ENDED as error:
                if last:
                    raise UserError(ENDS) from error
        raise AssertionError

    def _keeper(self) -> Asked:
        with self._lock:
            now = time.monotonic()
            if self._failed and now < self._failed[0]:
                raise UserError(self._failed[1])
            try:
                if self._known is None or now > self._known[0]:
                    self._known = now + ADDRESS_SECONDS, _told(self._address)
                address = self._known[1]
                if self._running and (
                    self._running.address != address or self._running.process.poll() is not None
                ):
                    self._end()
                self._running = self._running or self._start(address)
            except UserError as error:
                self._failed = time.monotonic() + AGAIN_SECONDS, str(error)
                raise
            return self._running.keeper

    def _start(self, address: str) -> _Running:
        folder = tempfile.TemporaryDirectory(prefix="shopnow-tab-")
        task = Task(folder.name, secrets.token_bytes(), address, self._wanted, self._derived)
        modules = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(
            [sys.executable, "-m", "shopnow_tab_app.replica.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(modules)},
        )
        try:
            given, said = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
            given.write(pickle.dumps(task))
            given.flush()
            if not _readable(said, START_SECONDS) or said.read(len(LISTENS)) != LISTENS:
                raise UserError(
                    "the process that reads the lake does not start: the API server's log says why"
                )
            manager = Manager(task.socket, task.key)
            manager.connect()
            return _Running(process, manager.keeper(), address, folder)  # type: ignore[attr-defined]
        except BaseException as error:
            _stop(process, folder)
            if isinstance(error, ENDED):
                raise UserError(ENDS) from error
            raise

    def _end(self) -> None:
        if running := self._running:
            self._running = None
            _stop(running.process, running.folder)


def _told(address: Callable[[], str]) -> str:
    try:
        return address()
    except (
        Exception
    ) as error:  # whatever Airflow raises that has no such connection, or none that can be read
        raise UserError(f"Airflow does not say where the lake is: {error or type(error).__name__}") from error


def _readable(stream: IO[bytes], seconds: float) -> bool:
    # select.select can't take a descriptor over 1,023, which a server may well have.
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
