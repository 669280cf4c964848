"""What must hold after a storm; each function returns what does not, nothing if all is well."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import psutil

from factories.hostile_notes import HostileNote
from factories.hostile_records import Expected
from shopnow.events import TOPICS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.local_stack import airflow, supervision
from shopnow.restock import inbox
from shopnow.restock.delivery_note import MAX_BYTES
from shopnow.settings import Settings
from support.storm_delivery import Answer, Delivered, InboxClient

MAX_PROBLEM_LENGTH = 500
TRACEBACK = "Traceback (most recent call last)"
FAILED_BY_NAME = "AirflowFailException"
"""The exception of a task that refuses its params in one line."""
MEASURED = ("airflow-api-server", "airflow-triggerer")
SERVING = (*MEASURED, "airflow-dag-processor", "smtp", "slack", "watchdog")
"""Services that read what others send. The scheduler does not, and logs its own timeouts under load."""


def lost_records(lake: str, delivered: Iterable[Delivered]) -> Iterator[str]:
    """Compare each record with its row in raw, and with the events."""
    by_topic: dict[str, list[Delivered]] = {name: [] for name in TOPICS}
    for item in delivered:
        by_topic[item.record.topic].append(item)
    for name, items in by_topic.items():
        columns = ["partition", "offset", "value", "problem"]
        rows = tables.read(Table(lake, f"raw/{name}").open(), columns).to_pylist()
        raw = {(row["partition"], row["offset"]): row for row in rows}
        events = set(tables.read(Table(lake, f"events/{name}").open(), ["event_id"])["event_id"].to_pylist())
        for partition, offset, record in items:
            place, row = f"{name}/{partition}/{offset}", raw.get((partition, offset))
            if row is None:
                yield f"{place}: not in raw"
            elif row["value"] != record.value:
                yield f"{place}: raw has other bytes"
            elif record.expected == Expected.EVENT and (row["problem"] or record.event_id not in events):
                yield f"{place}: {row['problem'] or 'not in events'}, not an event: {record.value!r:.300}"
            elif record.expected == Expected.QUARANTINED and row["problem"] is None:
                yield f"{place}: not in quarantine: {record.value!r:.300}"
            elif row["problem"] and len(row["problem"]) > MAX_PROBLEM_LENGTH:
                yield f"{place}: a problem of {len(row['problem'])} characters"


def lost_notes(client: InboxClient, notes: Iterable[HostileNote]) -> Iterator[str]:
    """Compare each file with the one in the archive."""
    for note in notes:
        # WebHDFS brings names into normal form C.
        expected = inbox.archive_name(
            unicodedata.normalize("NFC", note.name), hashlib.sha256(note.data).hexdigest()
        )
        # The digest of a file that is too large is not that of its content.
        stem, suffix = expected.rsplit(".", 2)[0], PurePosixPath(expected).suffix
        names = client.names(note.folder, stem, suffix) if len(note.data) > MAX_BYTES else [expected]
        if note.data not in [client.content(note.folder, name) for name in names]:
            yield f"{note.name!r} is not in {note.folder}: {note.data!r:.200}"


def server_errors(answers: Iterable[Answer]) -> list[Answer]:
    """Return the answers of 5xx, and the requests without one."""
    return [answer for answer in answers if not 100 <= answer.status < 500]


class LogPositions:
    """The ends of the logs at a moment, from which on they are read."""

    def __init__(self, settings: Settings) -> None:
        self._services = supervision.log_dir(settings)
        self._tasks = airflow.home_dir(settings) / "logs"
        self._ends = {path: path.stat().st_size for path in self._files()}

    def _files(self) -> list[Path]:
        services = [self._services / f"{name}.log" for name in SERVING]
        return [*services, *self._tasks.rglob("dag_id=*/**/*.log")]

    def _lines(self, folder: Path) -> Iterator[tuple[Path, str]]:
        for path in self._files():
            if path.is_relative_to(folder):
                with path.open(errors="replace") as log:
                    log.seek(self._ends.get(path, 0))
                    yield from ((path, line) for line in log)

    def tracebacks(self) -> list[str]:
        """Return the lines of service logs that begin a traceback, and those of tasks that have one."""
        folders = (self._services, self._tasks)
        return [
            f"{path.name}: {line[:500]}"
            for folder in folders
            for path, line in self._lines(folder)
            if TRACEBACK in line
        ]

    def failures(self) -> list[str]:
        """Return the failures of tasks other than those which name, in one line, what they refuse."""
        found = []
        for path, line in self._lines(self._tasks):
            if '"error_detail"' not in line:
                continue
            for error in json.loads(line)["error_detail"]:
                message = error["exc_value"]
                if error["exc_type"] != FAILED_BY_NAME or "\n" in message.strip():
                    task = path.relative_to(self._tasks).as_posix()
                    found.append(f"{task}: {error['exc_type']}: {message[:500]}")
        return found


def memory(settings: Settings) -> dict[str, int]:
    """Return the resident memory of the measured services with their children, bytes."""
    pids = {process.name: process.pid for process in supervision.list_processes(settings)}
    used = {}
    for name in MEASURED:
        process = psutil.Process(pids[name])
        used[name] = sum(member.memory_info().rss for member in (process, *process.children(recursive=True)))
    return used


def grown(before: Mapping[str, int], after: Mapping[str, int], limit: float) -> Sequence[str]:
    """Return the services that use more memory than before times a limit."""
    return [
        f"{name}: {before[name] >> 20} MB before, {after[name] >> 20} MB after"
        for name in before
        if after[name] > before[name] * limit
    ]
