"""Measure landing one topic with 1, 2 and 4 worker processes, each with its shard of 12 partitions.

    python benchmarks/workers.py
    python benchmarks/workers.py --events 500000 --rounds 1     # a short one

Starts its own Kafka and HDFS on free ports, fills a topic with payments, and lands it several times, each
time into a new lake, with alternating numbers of concurrent workers; starting Python is not measured. Prints
median rates, CPU seconds and what limited each number of workers. Exits 1 if an event is not in the lake.
"""

import argparse
import time
from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

import psutil
import workbench
from rich.console import Console
from rich.table import Table

from shopnow import connections
from shopnow.errors import UserError
from shopnow.lake.delta.tables import Table as LakeTable
from shopnow.lake.ingest.landing import land
from shopnow.lake.ingest.plan import PartitionShard
from shopnow.local_stack import supervision
from shopnow.settings import Settings

SERVICES = {"broker": ("kafka",), "NameNode": ("namenode",), "DataNodes": ("datanode", "datanode-2")}
WORKERS = (1, 2, 4)
SATURATED = 0.9
"""The share of a resource in use from which it counts as the limit."""


class LandingRun(NamedTuple):
    """A landing by several workers: wall-clock seconds, and CPU seconds by participant and of the machine."""

    workers: int
    rows: int
    commits: int
    seconds: float
    cpu_seconds: Mapping[str, float]
    machine_seconds: float


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    runs: list[LandingRun] = []
    with (
        console.status("starting Kafka and HDFS") as status,
        workbench.services([name for names in SERVICES.values() for name in names]) as settings,
    ):
        defaults = connections.local_defaults(settings)
        conf, lake = connections.kafka_conf(defaults), connections.lake_uri(defaults)
        with workbench.topic_and_lake(conf, lake, options.partitions) as (topic, root):
            status.update(f"producing {options.events:,} events")
            workbench.in_process(workbench.produce_payments, conf, topic, options.events)
            for number in range(options.rounds):
                for workers in WORKERS if number % 2 else reversed(WORKERS):
                    status.update(f"round {number + 1} of {options.rounds}: {workers} at once")
                    lake = f"{root}/{workers}-{number}"
                    run = land_concurrently(settings, workers, conf, topic, lake)
                    rows = LakeTable(lake, f"raw/{workbench.TOPIC.name}").open().count()
                    if not options.events == run.rows == rows:
                        raise UserError(
                            f"{run.rows:,} landed, {rows:,} in the lake, of {options.events:,} events"
                        )
                    runs.append(run)
    report(options, runs)
    return 0


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def report(options: argparse.Namespace, runs: list[LandingRun]) -> None:
    """Print the table of medians and the limit of each number of workers."""
    cores = psutil.cpu_count() or 1
    participants = ("workers", *SERVICES)
    table = Table(
        "workers",
        "events/s",
        "of one",
        "slowest",
        "fastest",
        "commits",
        *(f"CPU s/M, {name}" for name in participants),
    )
    limits = []
    single_rate = median(rate(run) for run in runs if run.workers == 1)
    for workers in WORKERS:
        group = sorted((run for run in runs if run.workers == workers), key=rate)
        rates = [rate(run) for run in group]
        counts = (min(rates), max(rates), median(run.commits for run in group))
        table.add_row(
            str(workers),
            f"{median(rates):,.0f}",
            f"{median(rates) / single_rate:.2f}",
            *(f"{count:,.0f}" for count in counts),
            *(
                f"{median(run.cpu_seconds[name] / run.rows * 1e6 for run in group):.1f}"
                for name in participants
            ),
        )
        limits.append(f"{workers} limited by {limit(group[len(group) // 2], cores)}")
    workbench.show(table)
    print(*limits, sep="\n")
    print(
        f"{options.events:,} events, {options.partitions} partitions, medians of {options.rounds} rounds; "
        f"{cores} cores; every event landed"
    )


def land_concurrently(
    settings: Settings, workers: int, conf: dict[str, str], topic: str, lake: str
) -> LandingRun:
    """Land the topic with one shard per worker and wait for the last worker."""
    with workbench.warm_pool(workers) as pool:
        before, machine, start = service_cpu(settings), machine_cpu(), time.perf_counter()
        landings = [
            pool.submit(workbench.measure, land_shard, conf, topic, lake, PartitionShard(number, workers))
            for number in range(workers)
        ]
        results = [landing.result() for landing in landings]
        seconds, after, machine = (
            time.perf_counter() - start,
            service_cpu(settings),
            machine_cpu() - machine,
        )
    cpu_seconds = {name: after[name] - before[name] for name in SERVICES}
    cpu_seconds["workers"] = sum(result.cpu_seconds for result in results)
    rows, commits = (sum(result.result[field] for result in results) for field in (0, 1))
    return LandingRun(workers, rows, commits, seconds, cpu_seconds, machine)


def land_shard(conf: dict[str, str], topic: str, lake: str, shard: PartitionShard) -> tuple[int, int]:
    """Land one shard of the topic; returns the numbers of rows and commits."""
    landed = land(conf, lake, workbench.TOPIC, kafka_topic=topic, shard=shard)
    return landed.rows, landed.commits


def service_cpu(settings: Settings) -> dict[str, float]:
    """CPU seconds of the services since they started."""
    pids = {process.name: process.pid for process in supervision.list_processes(settings)}
    return {
        service: sum(sum(psutil.Process(pids[name]).cpu_times()[:2]) for name in names)
        for service, names in SERVICES.items()
    }


def machine_cpu() -> float:
    """CPU seconds that all cores were busy since the machine started, with any process."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq + times.steal


def rate(run: LandingRun) -> float:
    """Rows landed per second."""
    return run.rows / run.seconds


def limit(run: LandingRun, cores: int) -> str:
    """The resource that was exhausted: the machine's cores, one core per worker's Python, or neither."""
    by_usage = sorted(run.cpu_seconds.items(), key=lambda usage: -usage[1])
    usage = ", ".join(f"{name} {seconds / run.seconds:.1f}" for name, seconds in by_usage)
    if run.machine_seconds >= SATURATED * cores * run.seconds:
        return f"the machine's cores: {usage}"
    if run.cpu_seconds["workers"] >= SATURATED * run.workers * run.seconds:
        return f"a core for each worker: {usage}"
    return f"waiting: {usage} of {cores} cores"


if __name__ == "__main__":
    workbench.run(main)
