"""The state of the stack during a drill, read by threads, as a broken service answers late or never."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from shopnow.alerts import status
from shopnow.drills.faults import Target
from shopnow.events import TOPICS
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import lag
from shopnow.local_stack import supervision
from shopnow.local_stack.services import SERVICES, is_ready

INTERVAL_SECONDS = 1.0
END_SECONDS = 20.0
"""How long the end of a drill waits for services that do not answer."""


class Value(NamedTuple):
    """A figure, or why it cannot be read."""

    value: Any
    error: str = ""


def services(target: Target) -> list[str]:
    """Return the services that run but do not answer, and those that have ended."""
    processes = supervision.list_processes(target.settings)
    return [
        process.name
        for process in processes
        if process.died or (process.running and not is_ready(SERVICES[process.name], target.settings))
    ]


def lagging_records(target: Target) -> int:
    return sum(position.lag for position in lag.positions(target.conf, target.lake))


def quarantined_records(target: Target) -> int:
    """Count the records in quarantine by the statistics of the files, without reading them."""
    count = 0
    for topic in TOPICS:
        snapshot = Table(target.lake, f"raw/{topic}").open_if_exists()
        if snapshot is not None:
            files = pa.table(snapshot.get_add_actions(flatten=True)).to_pylist()
            count += sum(file["num_records"] - file["null_count.problem"] for file in files)
    return count


def firing_alerts(target: Target) -> list[str]:
    overview = status.overview(target.lake, datetime.now(UTC))
    return sorted({alert["rule"] for alert in overview.alerts})


SOURCES: Mapping[str, Callable[[Target], Any]] = {
    "services down": services,
    "lag": lagging_records,
    "quarantined": quarantined_records,
    "alerts": firing_alerts,
}


class Observer:
    """The latest value of each source."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stop = threading.Event()
        self.latest: dict[str, Value] = {name: Value(None, "not read yet") for name in SOURCES}
        self.highest: dict[str, Any] = {}
        """The highest lag and quarantine, all services that were down, all alerts."""

    @contextmanager
    def running(self) -> Iterator[None]:
        # Daemons: a client that waits for a frozen service must not keep the process from its end.
        threads = [threading.Thread(target=self._poll, args=(name,), daemon=True) for name in SOURCES]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            # The clients of Kafka and HDFS crash if the interpreter ends while a thread is within them.
            deadline = time.monotonic() + END_SECONDS
            for thread in threads:
                thread.join(max(deadline - time.monotonic(), 0))

    def _poll(self, name: str) -> None:
        while not self._stop.is_set():
            try:
                value = SOURCES[name](self._target)
            except Exception as error:  # whatever a broken service causes is what is to be shown
                self.latest[name] = Value(None, type(error).__name__)
            else:
                self.latest[name] = Value(value)
                before = self.highest.get(name, type(value)())
                self.highest[name] = (
                    max(before, value) if isinstance(value, int) else sorted({*before, *value})
                )
            self._stop.wait(INTERVAL_SECONDS)
