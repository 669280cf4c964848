"""Landing one topic with 1, 2 and 4 worker processes, each its share of 12 partitions: events/s, CPU, and what there was no more of.

    python benchmarks/workers.py
    python benchmarks/workers.py --events 500000 --rounds 1     # a short one

Starts a Kafka and an HDFS of its own on free ports, fills a topic with payments, and lands it into lakes of their own, by so many
workers at once, in turns; starting Python is not counted. Prints medians. Exits 1 if an event is not in the lake.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

import psutil
import workbench
from confluent_kafka import KafkaException
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
FULL = 0.9
"""Of what a thing has, that much in use is all of it."""


class Ran(NamedTuple):
    """A landing by several workers: its seconds, and the CPU seconds of those who took part and of the whole machine, by name."""

    workers: int
    rows: int
    commits: int
    seconds: float
    cpu_seconds: Mapping[str, float]
    machine_seconds: float


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    runs: list[Ran] = []
    try:
        with (
            console.status("starting Kafka and HDFS") as status,
            workbench.services([each for names in SERVICES.values() for each in names]) as settings,
        ):
            here = connections.local_defaults(settings)
            conf, lakes = connections.kafka_conf(here), connections.lake_uri(here)
            with workbench.bench(conf, lakes, options.partitions) as (name, lake):
                status.update(f"producing {options.events:,} events")
                workbench.in_process(workbench.produce, conf, name, options.events)
                for number in range(options.rounds):
                    for workers in WORKERS if number % 2 else reversed(WORKERS):
                        status.update(f"round {number + 1} of {options.rounds}: {workers} at once")
                        ran = land_at_once(settings, workers, conf, name, f"{lake}/{workers}-{number}")
                        there = (
                            LakeTable(f"{lake}/{workers}-{number}", f"raw/{workbench.TOPIC.name}")
                            .open()
                            .count()
                        )
                        if not options.events == ran.rows == there:
                            print(
                                f"error: {ran.rows:,} landed, {there:,} in the lake, of {options.events:,}",
                                file=sys.stderr,
                            )
                            return 1
                        runs.append(ran)
    except (UserError, KafkaException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    cores = psutil.cpu_count() or 1
    table = Table(
        "workers",
        "events/s",
        "of one",
        "slowest",
        "fastest",
        "commits",
        *(f"CPU s/M, {each}" for each in ("workers", *SERVICES)),
    )
    limits = []
    alone = median(rate(each) for each in runs if each.workers == 1)
    for workers in WORKERS:
        these = [each for each in runs if each.workers == workers]
        rates = [rate(each) for each in these]
        table.add_row(
            str(workers),
            f"{median(rates):,.0f}",
            f"{median(rates) / alone:.2f}",
            *(f"{each:,.0f}" for each in (min(rates), max(rates), median(each.commits for each in these))),
            *(
                f"{median(each.cpu_seconds[who] / each.rows * 1e6 for each in these):.1f}"
                for who in ("workers", *SERVICES)
            ),
        )
        limits.append(f"{workers} limited by {limit(sorted(these, key=rate)[len(these) // 2], cores)}")
    Console().print(table)
    print(*limits, sep="\n")
    print(
        f"{options.events:,} events, {options.partitions} partitions, medians of {options.rounds}; {cores} cores; every event landed"
    )
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def land_at_once(settings: Settings, workers: int, conf: dict[str, str], name: str, lake: str) -> Ran:
    """Lands the topic, each worker its share, until the last is done."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for each in [pool.submit(time.sleep, 1) for _ in range(workers)]:
            each.result()
        before, machine, start = cpu(settings), machine_cpu(), time.perf_counter()
        landings = [
            pool.submit(workbench.measured, land_share, conf, name, lake, PartitionShard(each, workers))
            for each in range(workers)
        ]
        done = [each.result() for each in landings]
        seconds, after, machine = time.perf_counter() - start, cpu(settings), machine_cpu() - machine
    used = {who: after[who] - before[who] for who in SERVICES} | {
        "workers": sum(each.cpu_seconds for each in done)
    }
    rows, commits = (sum(each.result[field] for each in done) for field in (0, 1))
    return Ran(workers, rows, commits, seconds, used, machine)


def land_share(conf: dict[str, str], name: str, lake: str, share: PartitionShard) -> tuple[int, int]:
    """The rows and commits of a share."""
    landed = land(conf, lake, workbench.TOPIC, kafka_topic=name, share=share)
    return landed.rows, landed.commits


def cpu(settings: Settings) -> dict[str, float]:
    """The CPU seconds of the services so far."""
    pids = {each.name: each.pid for each in supervision.processes(settings)}
    return {
        who: sum(sum(psutil.Process(pids[name]).cpu_times()[:2]) for name in names)
        for who, names in SERVICES.items()
    }


def machine_cpu() -> float:
    """The seconds that the machine's cores were at work so far, for whomever."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq + times.steal


def rate(ran: Ran) -> float:
    return ran.rows / ran.seconds


def limit(ran: Ran, cores: int) -> str:
    """What there was no more of while it ran: the machine's cores, or one for the Python of each worker, or neither."""
    shares = ", ".join(
        f"{who} {seconds / ran.seconds:.1f}"
        for who, seconds in sorted(ran.cpu_seconds.items(), key=lambda each: -each[1])
    )
    if ran.machine_seconds >= FULL * cores * ran.seconds:
        return f"the machine's cores: {shares}"
    if ran.cpu_seconds["workers"] >= FULL * ran.workers * ran.seconds:
        return f"a core for each worker: {shares}"
    return f"waiting: {shares} of {cores} cores"


if __name__ == "__main__":
    sys.exit(main())
