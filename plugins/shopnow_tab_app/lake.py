"""What the pages know of the lake, asked of a process of its own.

There it takes neither memory nor Python's lock from the API server, which serves all of Airflow's pages, to read a large table.
"""

import os
import pickle
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from shopnow.errors import UserError
from shopnow_tab_app.asking import LISTENS, Asked, Copy, Derived, Manager, Stand, State, Task

END_SECONDS = 5.0


class _Running(NamedTuple):
    process: subprocess.Popen
    keeper: Asked
    address: str
    folder: tempfile.TemporaryDirectory


class Lake:
    """The process that keeps the copies: started when something is asked, and anew when it ended or the lake's address is another."""

    def __init__(self, address: Callable[[], str], wanted: Sequence[Copy], derived: Sequence[Derived] = ()) -> None:
        self._address, self._wanted, self._derived = address, wanted, derived
        self._lock = threading.Lock()
        self._running: _Running | None = None

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

    def chunks(self, sql: str, parameters: Sequence[Any] | dict[str, Any], size: int) -> Iterator[list[tuple]]:
        """The rows a query gives, so many at a time."""
        yield from self._ask("chunks", sql, parameters, size)

    def stands(self, names: Iterable[str]) -> dict[str, Stand]:
        """How those of the tables that there are were when they were last read."""
        return self._ask("stands", tuple(names))

    def transaction_version(self, name: str, app_id: str) -> int | None:
        """The version of an application's transaction, by the log of a table that has a stand; None if there is none.

        Raises:
            UserError: the lake does not answer.
        """
        return self._ask("transaction_version", name, app_id)

    def _ask(self, method: str, *arguments: Any) -> Any:
        try:
            call: Callable[[str, tuple], Any] = self._keeper()._callmethod
            return call(method, arguments)
        except (EOFError, ConnectionError, FileNotFoundError) as error:
            raise UserError("the process that reads the lake ended and is started again: try again in a moment") from error

    def _keeper(self) -> Asked:
        address = self._address()
        with self._lock:
            if self._running and (self._running.address != address or self._running.process.poll() is not None):
                self._end()
            self._running = self._running or self._start(address)
            return self._running.keeper

    def _start(self, address: str) -> _Running:
        folder = tempfile.TemporaryDirectory(prefix="shopnow-tab-")
        task = Task(folder.name, secrets.token_bytes(), address, self._wanted, self._derived)
        modules = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(
            [sys.executable, "-m", "shopnow_tab_app.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(modules)},
        )
        given, said = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        given.write(pickle.dumps(task))
        given.flush()
        if said.read(len(LISTENS)) != LISTENS:
            raise UserError("the process that reads the lake does not start: the API server's log says why")
        manager = Manager(task.socket, task.key)
        manager.connect()
        return _Running(process, manager.keeper(), address, folder)  # type: ignore[attr-defined]

    def _end(self) -> None:
        if self._running:
            process, _, _, folder = self._running
            self._running = None
            process.kill()
            process.wait(END_SECONDS)
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()
            folder.cleanup()
