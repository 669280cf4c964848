"""Measure how long Spark takes from raw to KPIs: for a month, for a small change, and for nothing new.

    python benchmarks/kpis.py
    python benchmarks/kpis.py --events 50000 --history 2000 --changes 3     # a short one

Every run is `compute_kpis` in a new process, as Airflow starts it, on a Kafka and HDFS of this benchmark
alone. Prints the seconds from the start to each table's last commit, and the peak memory of the driver's JVM
and Python together; then the medians for a day's 200 events on top of a history of 30 days and one of 300
days with ten times as many events. Exits 1 if the month takes more than 60 s or 2 GiB, if the small change
takes more than 1.2 times as long with the long history, or if a run with nothing new commits.
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import NamedTuple

import psutil
import workbench
from rich.console import Console
from rich.table import Table

from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta.tables import Table as LakeTable
from shopnow.lake.ingest.landing import land
from shopnow.local_stack import jvm, spark, spark_cds_archive
from shopnow.local_stack.services import STORAGE_SERVICES
from shopnow.settings import Settings
from shopnow.traffic.generate import generate

TABLES = [f"events/{topic}" for topic in TOPICS] + [kpi.name for kpi in KPIS]
EVENTS_PER_SESSION = 7.4
CHANGE_EVENTS = 200
SHORT_DAYS, LONG_DAYS = 30, 300
MAX_SECONDS, MAX_MEMORY_MIB, MAX_RATIO = 60.0, 2048.0, 1.2


class KpiRun(NamedTuple):
    """A run of compute_kpis: seconds, peak memory of the driver (MiB), seconds to the last commits."""

    seconds: float
    memory: float
    commits: dict[str, float]


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    with empty_shop(console, options.archive) as settings:
        month, nothing = measure_month(console, settings, options.events)
    with empty_shop(console, options.archive) as settings:
        short, long = measure_changes(console, settings, options.history, options.changes)

    table = Table("table", "last commit after (s)")
    for name, seconds in sorted(month.commits.items(), key=lambda commit: commit[1]):
        table.add_row(name, f"{seconds:.1f}")
    workbench.show(table)
    print(
        f"a month of {options.events:,} events: {month.seconds:.1f} s, at most {MAX_SECONDS:.0f} s required; "
        f"peak memory {month.memory:,.0f} MiB"
    )
    print(f"nothing new: {nothing.seconds:.1f} s, {len(nothing.commits)} tables written")
    ratio = long / short
    print(
        f"{CHANGE_EVENTS} events added to {options.history:,}: {short:.1f} s, "
        f"to {10 * options.history:,}: {long:.1f} s, ratio {ratio:.2f}, at most {MAX_RATIO} required"
    )
    passed = month.seconds <= MAX_SECONDS and month.memory < MAX_MEMORY_MIB and ratio <= MAX_RATIO
    return 0 if passed and not nothing.commits else 1


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument(
        "--events", type=int, default=1_000_000, help="approximate number of events in the month"
    )
    parser.add_argument("--history", type=int, default=20_000, help="number of events in the short history")
    parser.add_argument(
        "--changes", type=int, default=5, help="number of small changes of which the median is taken"
    )
    parser.add_argument(
        "--archive",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="start Spark from its class-data-sharing archive",
    )
    return parser.parse_args()


@contextmanager
def empty_shop(
    console: Console, archive: bool, names: Collection[str] = STORAGE_SERVICES
) -> Iterator[Settings]:
    """Start Kafka and HDFS without any events, and put Spark's variables into the environment."""
    with workbench.services(names) as settings:
        home = jvm.java_home(settings.data_dir)
        os.environ.update(spark.environment(settings, home))
        if archive:
            with console.status("archiving Spark's classes"):
                spark_cds_archive.create(spark.cds_archive(home), spark.submit_command("warm_class_list.py"))
        else:
            os.environ["SPARK_SUBMIT_OPTS"] += " -Xshare:off"
        yield settings


def measure_month(console: Console, settings: Settings, events: int) -> tuple[KpiRun, KpiRun]:
    """Measure a run on a month of new events that ends today, then a run with nothing new."""
    with console.status(f"generating and landing {events:,} events"):
        generate_traffic(
            settings, "month", events, datetime.now(UTC) - timedelta(days=SHORT_DAYS), SHORT_DAYS
        )
        land_all(settings, settings.lake_uri)
    with console.status("computing the month"):
        month = compute(settings.lake_uri)
    with console.status("computing nothing new"):
        return month, compute(settings.lake_uri)


def measure_changes(console: Console, settings: Settings, history: int, count: int) -> tuple[float, float]:
    """Measure small changes to a short and a long history of one shop; returns both medians in seconds."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(
        days=LONG_DAYS + 2 * count + 4
    )
    medians = []
    for events, days in ((history, SHORT_DAYS), (9 * history, LONG_DAYS - SHORT_DAYS)):
        lake = f"{settings.lake_uri}-{days}"
        with console.status(f"adding a history of {events:,} events"):
            generate_traffic(settings, lake, events, day, days)
            land_all(settings, lake)
            compute(lake)
        day += timedelta(days=days)
        seconds = []
        for number in range(count + 1):
            with console.status(f"small change {number} of {count}"):
                generate_traffic(settings, f"{lake} {number}", CHANGE_EVENTS, day, 1)
                land_all(settings, lake)
                seconds.append(compute(lake).seconds)
            day += timedelta(days=1)
        # The first change also brings the history's deliveries that were still under way.
        medians.append(median(seconds[1:]))
    return medians[0], medians[1]


def generate_traffic(settings: Settings, run_id: str, events: int, start: datetime, days: int) -> None:
    sessions = max(round(events / EVENTS_PER_SESSION), 1)
    generate(
        {"bootstrap.servers": settings.bootstrap_servers},
        run_id,
        sessions,
        seed=1,
        start=start,
        end=start + timedelta(days=days),
    )


def land_all(settings: Settings, lake: str) -> None:
    for topic in TOPICS.values():
        land({"bootstrap.servers": settings.bootstrap_servers}, lake, topic)


def compute(lake: str) -> KpiRun:
    """Run compute_kpis in the current environment.

    Raises:
        UserError: the run failed.
    """
    before, start = versions(lake), time.time()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            spark.submit_command("compute_kpis.py", "--lake", lake), stdout=output, stderr=output
        )
        memory = peak_memory(process)
        seconds = time.time() - start
        if process.returncode:
            output.seek(0)
            raise UserError(f"compute_kpis failed: {output.read()[-2000:]}")
    written = [name for name, version in versions(lake).items() if version != before.get(name)]
    commits = {
        name: LakeTable(lake, name).open().history(1)[0]["timestamp"] / 1000 - start for name in written
    }
    return KpiRun(seconds, memory, commits)


def peak_memory(process: subprocess.Popen) -> float:
    """Wait for a driver to end.

    Returns:
        The peak resident memory in MiB of its JVM and Python together, sampled four times a second.
    """
    peak, driver = 0, psutil.Process(process.pid)
    while True:
        with suppress(psutil.Error):
            tree = (driver, *driver.children(recursive=True))
            peak = max(peak, sum(member.memory_info().rss for member in tree))
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.25)
            return peak / 2**20


def versions(lake: str) -> dict[str, int]:
    """The version of each events and KPI table that exists."""
    return {name: LakeTable(lake, name).version() for name in TABLES if LakeTable(lake, name).exists()}


if __name__ == "__main__":
    workbench.run(main)
