"""How long Spark takes from raw to KPIs: for a month at once, for a small change beside a short and a long history, and for nothing new.

    python benchmarks/kpis.py
    python benchmarks/kpis.py --events 50000 --history 2000 --changes 3     # a short one

Every run is `compute_kpis` as Airflow starts it, a process of its own, on a Kafka and HDFS of this benchmark's own. Prints the
seconds from the start until each table's last commit, and the peak memory of the driver, JVM and Python together; then the medians
for a day's 200 events beside a history of 30 days and one of 300, ten times as many events. Exits 1 if the month takes more than 60 s
or 2 GiB, the small change more than 1.2 times as long beside the long history, or a run with nothing new writes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

import psutil
import workbench
from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Table

from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta.tables import Table as LakeTable
from shopnow.lake.ingest.landing import land
from shopnow.local_stack import java, spark, spark_cds_archive
from shopnow.local_stack.services import STORAGE
from shopnow.settings import Settings
from shopnow.traffic.generate import generate

TABLES = [f"events/{topic}" for topic in TOPICS] + [kpi.name for kpi in KPIS]
EVENTS_A_SESSION = 7.4
CHANGE_EVENTS = 200
SHORT_DAYS, LONG_DAYS = 30, 300
MOST_SECONDS, MOST_MEMORY, MOST_RATIO = 60.0, 2048.0, 1.2


class Ran(NamedTuple):
    """A run of compute_kpis: seconds, peak memory of the driver in MiB, and seconds from its start to each table's last commit."""

    seconds: float
    memory: float
    commits: dict[str, float]


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    try:
        with shop(console, options.archive) as settings:
            month, nothing = bulk(console, settings, options.events)
        with shop(console, options.archive) as settings:
            short, long = changes(console, settings, options.history, options.changes)
    except (UserError, KafkaException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    table = Table("table", "last commit after (s)")
    for name, seconds in sorted(month.commits.items(), key=lambda each: each[1]):
        table.add_row(name, f"{seconds:.1f}")
    Console().print(table)
    print(
        f"a month of {options.events:,} events: {month.seconds:.1f} s, {MOST_SECONDS:.0f} are asked; {month.memory:,.0f} MiB at most"
    )
    print(f"nothing new: {nothing.seconds:.1f} s, {len(nothing.commits)} tables written")
    ratio = long / short
    print(
        f"{CHANGE_EVENTS} events beside {options.history:,}: {short:.1f} s, beside {10 * options.history:,}: {long:.1f} s, "
        f"{ratio:.2f} times as long, {MOST_RATIO} is asked"
    )
    within = month.seconds <= MOST_SECONDS and month.memory < MOST_MEMORY and ratio <= MOST_RATIO
    return 0 if within and not nothing.commits else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000, help="about how many the month has")
    parser.add_argument("--history", type=int, default=20_000, help="events of the short history")
    parser.add_argument("--changes", type=int, default=5, help="small changes to take the median of")
    parser.add_argument(
        "--archive",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="start from the archive of Spark's classes",
    )
    return parser.parse_args()


@contextmanager
def shop(console: Console, archive: bool) -> Iterator[Settings]:
    """A shop without a past, in services of its own."""
    with ExitStack() as started:
        with console.status("starting Kafka and HDFS"):
            settings = started.enter_context(workbench.services(STORAGE))
        home = java.java_home(settings.data_dir)
        os.environ.update(spark.environment(settings, home))
        if archive:
            with console.status("archiving Spark's classes"):
                spark_cds_archive.make(spark.archive(home), spark.submit("warm_class_list.py"))
        else:
            os.environ["SPARK_SUBMIT_OPTS"] += " -Xshare:off"
        yield settings


def bulk(console: Console, settings: Settings, events: int) -> tuple[Ran, Ran]:
    """A month that ends today, all of it new; then a run with nothing new."""
    with console.status(f"generating and landing {events:,} events"):
        traffic(settings, "month", events, datetime.now(UTC) - timedelta(days=SHORT_DAYS), SHORT_DAYS)
        land_all(settings, settings.lake_uri)
    with console.status("computing the month"):
        month = compute(settings.lake_uri)
    with console.status("computing nothing new"):
        return month, compute(settings.lake_uri)


def changes(console: Console, settings: Settings, history: int, count: int) -> tuple[float, float]:
    """The medians of the seconds that small changes take beside a short and a long history of the same shop."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(
        days=LONG_DAYS + 2 * count + 4
    )
    found = []
    for events, days in ((history, SHORT_DAYS), (9 * history, LONG_DAYS - SHORT_DAYS)):
        lake = f"{settings.lake_uri}-{days}"
        with console.status(f"history of {events:,} events more"):
            traffic(settings, lake, events, day, days)
            land_all(settings, lake)
            compute(lake)
        day += timedelta(days=days)
        seconds = []
        for number in range(count + 1):
            with console.status(f"small change {number} of {count}"):
                traffic(settings, f"{lake} {number}", CHANGE_EVENTS, day, 1)
                land_all(settings, lake)
                seconds.append(compute(lake).seconds)
            day += timedelta(days=1)
        found.append(median(seconds[1:]))  # what is still on its way from the history comes with the first
    return found[0], found[1]


def traffic(settings: Settings, run_id: str, events: int, start: datetime, days: int) -> None:
    sessions = max(round(events / EVENTS_A_SESSION), 1)
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


def compute(lake: str) -> Ran:
    """Runs compute_kpis, in the environment as it is.

    Raises:
        UserError: it failed.
    """
    before, start = versions(lake), time.time()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            spark.submit("compute_kpis.py", "--lake", lake), stdout=output, stderr=output
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
    return Ran(seconds, memory, commits)


def peak_memory(process: subprocess.Popen) -> float:
    """Waits for the end of a driver; the MiB that its JVM and its Python had in memory together, at the most, four times a second."""
    most, driver = 0, psutil.Process(process.pid)
    while True:
        with suppress(psutil.Error):
            most = max(
                most, sum(each.memory_info().rss for each in (driver, *driver.children(recursive=True)))
            )
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.25)
            return most / 2**20


def versions(lake: str) -> dict[str, int]:
    return {name: LakeTable(lake, name).version() for name in TABLES if LakeTable(lake, name).exists()}


if __name__ == "__main__":
    sys.exit(main())
