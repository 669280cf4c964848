"""Compare the engines on small changes: spark-submit, and Sail, which runs all the time.

    python benchmarks/engines.py --changes 5

On a Kafka and HDFS of this benchmark alone, two lakes get the same events: a history of 30 days, then changes
of 200 events. One lake is computed by `spark-submit compute_kpis.py`, the other by a process that uses Sail,
as the DAG `compute_kpis` does; each run is a new process. Prints the medians of the seconds and the peak
memory of each. Exits 1 if a row of any table differs.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import NamedTuple

import kpis
import psutil
import workbench
from rich.console import Console
from rich.table import Table

from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table as LakeTable
from shopnow.local_stack import supervision
from shopnow.local_stack.services import STORAGE_SERVICES
from shopnow.settings import Settings

HISTORY_EVENTS, HISTORY_DAYS = 20_000, 30


class Run(NamedTuple):
    """A run: its seconds, and the peak memory of the processes that it started, MiB."""

    seconds: float
    memory: float


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    with kpis.empty_shop(console, archive=True, names=(*STORAGE_SERVICES, "sail")) as settings:
        engines: dict[str, Callable[[str], Run]] = {
            "spark-submit": submit,
            "Sail": lambda lake: refresh_by_sail(settings, lake),
        }
        lakes = {name: f"{settings.lake_uri}-{number}" for number, name in enumerate(engines)}
        day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(
            days=HISTORY_DAYS + options.changes + 2
        )
        runs: dict[str, list[Run]] = {name: [] for name in engines}
        for number in range(options.changes + 2):
            events, days = (HISTORY_EVENTS, HISTORY_DAYS) if number == 0 else (kpis.CHANGE_EVENTS, 1)
            kpis.generate_traffic(settings, f"engines {number}", events, day, days)
            day += timedelta(days=days)
            for name, refresh in engines.items():
                console.print(f"{name}: {'history' if number == 0 else f'change {number}'}")
                kpis.land_all(settings, lakes[name])
                runs[name].append(refresh(lakes[name]))
        contents = [content(lake) for lake in lakes.values()]
        server = memory_of_sail(settings)
    table = Table("engine", "history, s", "small change, s", "memory of the run, MiB")
    for name, measured in runs.items():
        history, _, *changes = measured  # the first change also brings the history's deliveries
        table.add_row(
            name,
            f"{history.seconds:.1f}",
            f"{median(run.seconds for run in changes):.1f}",
            f"{max(run.memory for run in changes):.0f}",
        )
    workbench.show(table)
    different = [name for name in contents[0] if contents[0][name] != contents[1][name]]
    print(
        f"Sail's own process: {server:.0f} MiB; "
        f"{len(contents[0])} tables, different: {', '.join(different) or 'none'}"
    )
    return 1 if different else 0


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("--changes", type=int, default=5, help="number of small changes to measure")
    return parser.parse_args()


def submit(lake: str) -> Run:
    run = kpis.compute(lake)
    return Run(run.seconds, run.memory)


def refresh_by_sail(settings: Settings, lake: str) -> Run:
    """Refresh in a new process.

    Raises:
        UserError: Sail left it to spark-submit.
    """
    url = f"sc://127.0.0.1:{settings.ports['sail']}"
    code = f"from shopnow_spark import small_changes; assert small_changes.refresh({url!r}, {lake!r})"
    start = time.time()
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    memory = kpis.peak_memory(process)
    if process.returncode:
        raise UserError("Sail left the refresh to spark-submit")
    return Run(time.time() - start, memory)


def content(lake: str) -> dict[str, list[str]]:
    """Return the rows of each derived table as text, sorted, without the columns about their origin."""
    columns: dict[str, Sequence[str] | None] = {f"events/{topic}": None for topic in TOPICS}
    columns |= {kpi.name: kpi.value_columns for kpi in KPIS}
    return {
        name: sorted(map(repr, tables.read(LakeTable(lake, name).open(), of_table).to_pylist()))
        for name, of_table in columns.items()
    }


def memory_of_sail(settings: Settings) -> float:
    pid = next(process.pid for process in supervision.list_processes(settings) if process.name == "sail")
    return psutil.Process(pid).memory_info().rss / 2**20


if __name__ == "__main__":
    workbench.run(main)
