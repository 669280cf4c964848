"""Measure the rate of landing of this checkout against that of another one, side by side in one run.

    git worktree add ../before <commit>
    python benchmarks/landing_side_by_side.py ../before --topics payments orders

Starts its own Kafka and HDFS and deletes them afterwards. Fills a topic with records of the simulated shop
and lands it several times, each time into a new lake and in a process of its own, alternately by the code of
either checkout. Prints rate and CPU time per record of both, and their ratios by round. Exits 1 if, at the
median, this checkout needs more than 1.03 × the CPU time of the other, or if a record is missing.

Other load on the machine changes the rate far more than the CPU time; that is why the latter decides.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import workbench
from rich.console import Console
from rich.table import Table

from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.local_stack.services import STORAGE_SERVICES
from shopnow.settings import ROOT
from shopnow.traffic.run_config import RunConfig
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state import Run, State

MAX_RATIO = 1.03
SAMPLE_SESSIONS = 20_000
"""Sessions whose records are produced repeatedly."""
DAY = 86_400_000


class Landing(NamedTuple):
    """What one landing took, per record: CPU time in µs, and records per second."""

    cpu: float
    rate: float


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    sides = {"other": options.checkout, "this": ROOT}
    is_fast_enough = True
    with workbench.services(STORAGE_SERVICES) as settings:
        conf, lake = {"bootstrap.servers": settings.bootstrap_servers}, settings.lake_uri
        for topic in options.topics:
            with (
                workbench.topic_and_lake(conf, lake, options.partitions) as (name, root),
                workbench.topic_and_lake(conf, lake, 1) as (warm_up, _),
            ):
                with console.status(f"producing {options.events:,} records of {topic}"):
                    records = sample(topic)
                    workbench.produce(conf, name, islice(cycle(records), options.events))
                    workbench.produce(conf, warm_up, records[:1000])
                landings: dict[str, list[Landing]] = {side: [] for side in sides}
                # The first round warms up the services, and is not counted.
                for number in range(-1, options.rounds):
                    for side in sides if number % 2 else reversed(sides):
                        with console.status(f"{topic}: round {number + 1} of {options.rounds}, {side}"):
                            target = f"{root}/{side}-{number}"
                            landing = land(sides[side], conf, target, (topic, warm_up, name), options.events)
                        workbench.delete_lake(target)
                        if number >= 0:
                            landings[side].append(landing)
            is_fast_enough &= report(topic, landings)
    return 0 if is_fast_enough else 1


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("checkout", type=Path, help="the other checkout of this repository")
    parser.add_argument("--topics", nargs="+", choices=list(TOPICS), default=["payments"])
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


def sample(topic: str) -> list[tuple[bytes, bytes]]:
    """Return values and keys of the simulated shop's records of a topic."""
    start = 1_767_225_600_000  # 2026-01-01
    run = Run("sample", RunConfig(seed=1), SAMPLE_SESSIONS, start, start + 7 * DAY)
    return [
        (value, key)
        for chunk in simulate(State(), run, SAMPLE_SESSIONS)
        for name, value, key in zip(chunk.batch.topics, chunk.batch.values, chunk.batch.keys, strict=True)
        if name == topic
    ]


def land(checkout: Path, conf: dict[str, str], lake: str, names: tuple[str, str, str], count: int) -> Landing:
    """Land `count` records by the code of a checkout.

    Args:
        names: the topic in the event definitions, a small topic to warm up and the one to measure in Kafka.

    Raises:
        UserError: it failed, or not every record landed as a valid one.
    """
    command = [sys.executable, str(Path(__file__).with_name("land_once.py"))]
    process = subprocess.run(
        [*command, conf["bootstrap.servers"], lake, *names],
        env=os.environ | {"PYTHONPATH": str(checkout.resolve() / "include")},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise UserError(f"landing by {checkout} failed: {process.stderr.strip().splitlines()[-1]}")
    measured = json.loads(process.stdout)
    if measured["rows"] != count or measured["quarantined"]:
        raise UserError(f"{checkout} landed {measured} of {count:,} records")
    return Landing(measured["cpu_seconds"] / count * 1e6, count / measured["seconds"])


def report(topic: str, landings: dict[str, list[Landing]]) -> bool:
    """Print the results of a topic; return whether this checkout is within the limit."""
    table = Table("checkout", "CPU µs per record", "records/s", title=f"{topic}: median (least – most)")
    for side, runs in landings.items():
        table.add_row(
            side, spread((run.cpu for run in runs), ".2f"), spread((run.rate for run in runs), ",.0f")
        )
    pairs = list(zip(landings["this"], landings["other"], strict=True))
    cpu_ratios = [this.cpu / other.cpu for this, other in pairs]
    rate_ratios = [this.rate / other.rate for this, other in pairs]
    table.add_row("this / other, by round", spread(cpu_ratios, ".3f"), spread(rate_ratios, ".3f"))
    Console().print(table)
    least = min(run.cpu for run in landings["this"]) / min(run.cpu for run in landings["other"])
    ratio = statistics.median(cpu_ratios)
    print(
        f"{topic}: {ratio:.3f} × the CPU time of the other checkout at the median, {least:.3f} × between the "
        f"least of each; at most {MAX_RATIO} is required"
    )
    return ratio <= MAX_RATIO


def spread(values: Iterable[float], form: str) -> str:
    """Return the median with the lowest and the highest value."""
    ordered = sorted(values)
    return f"{statistics.median(ordered):{form}} ({ordered[0]:{form}} – {ordered[-1]:{form}})"


if __name__ == "__main__":
    workbench.run(main)
