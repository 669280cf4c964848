"""Measure the rate of landing of this checkout against that of another one, side by side in one run.

    git worktree add ../before <commit>
    python benchmarks/landing_side_by_side.py ../before --topics payments orders

Starts its own Kafka and HDFS and deletes them afterwards. Fills a topic with records of the simulated shop,
and lets a process of each checkout land it again and again, alternately, each time into a new lake. Several
pairs of processes follow each other, as their layout in memory differs. Prints CPU time per record and rate
of both, and their ratios by round, with the 95 % confidence interval of the median (bootstrap over the
rounds). Exits 1 if at the median this checkout needs more than 1.03 × the CPU time of the other, or if a
record is missing.

Other load on the machine changes the rate far more than the CPU time; that is why the latter decides.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np
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
SIDES = ("other", "this")
PROGRAM = Path(__file__).with_name("land_repeatedly.py")
WARM_UP_ROUNDS = 2
"""First rounds of each pair of processes, which are not counted."""


class Landing(NamedTuple):
    """What one landing took, per record: CPU time in µs, and records per second."""

    cpu: float
    rate: float


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    is_fast_enough = True
    with workbench.services(STORAGE_SERVICES) as settings:
        conf, lake = {"bootstrap.servers": settings.bootstrap_servers}, settings.lake_uri
        for topic in options.topics:
            with (
                workbench.topic_and_lake(conf, lake, options.partitions) as (name, root),
                console.status(topic) as status,
            ):
                workbench.produce(conf, name, islice(cycle(sample(topic)), options.events))
                landings: dict[str, list[Landing]] = {side: [] for side in SIDES}
                for pair in range(options.pairs):
                    status.update(f"{topic}: pair {pair + 1} of {options.pairs}")
                    with ExitStack() as stack:
                        processes = {
                            side: stack.enter_context(LandingProcess(checkout, conf, topic, name))
                            for side, checkout in zip(SIDES, (options.checkout, ROOT), strict=True)
                        }
                        for number in range(WARM_UP_ROUNDS + options.rounds):
                            for side in SIDES if number % 2 else reversed(SIDES):
                                target = f"{root}/{side}"
                                landing = processes[side].land(target, options.events)
                                workbench.delete_lake(target)
                                if number >= WARM_UP_ROUNDS:
                                    landings[side].append(landing)
            is_fast_enough &= report(topic, landings)
    return 0 if is_fast_enough else 1


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("checkout", type=Path, help="the other checkout of this repository")
    parser.add_argument("--topics", nargs="+", choices=list(TOPICS), default=["payments"])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=5, help="pairs of processes, one after the other")
    parser.add_argument("--rounds", type=int, default=20, help="landings by each process")
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


class LandingProcess:
    """A process that lands a topic by the code of a checkout."""

    def __init__(self, checkout: Path, conf: dict[str, str], topic: str, kafka_topic: str) -> None:
        self._checkout = checkout
        self._process = subprocess.Popen(
            [sys.executable, PROGRAM, conf["bootstrap.servers"], topic, kafka_topic],
            env=os.environ | {"PYTHONPATH": str(checkout.resolve() / "include")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "LandingProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # closes its input, which ends it

    def land(self, lake: str, count: int) -> Landing:
        """Land the `count` records of the topic.

        Raises:
            UserError: it failed, or not every record landed as a valid one.
        """
        print(lake, file=self._process.stdin, flush=True)
        line = cast(IO[str], self._process.stdout).readline()
        if not line:
            raise UserError(f"landing by {self._checkout} failed, see above")
        measured = json.loads(line)
        if measured["rows"] != count or measured["quarantined"]:
            raise UserError(f"{self._checkout} landed {measured} of {count:,} records")
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
    workbench.show(table)
    ratio, (low, high) = statistics.median(cpu_ratios), confidence_interval(cpu_ratios)
    print(
        f"{topic}: {ratio:.3f} × the CPU time of the other checkout at the median, with 95 % confidence "
        f"{low:.3f} – {high:.3f}; at most {MAX_RATIO} is required"
    )
    return ratio <= MAX_RATIO


def confidence_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % confidence interval of the median, by bootstrap."""
    medians = np.median(np.random.default_rng(0).choice(values, (10_000, len(values))), axis=1)
    low, high = np.quantile(medians, (0.025, 0.975))
    return float(low), float(high)


def spread(values: Iterable[float], form: str) -> str:
    """Return the median with the lowest and the highest value."""
    ordered = sorted(values)
    return f"{statistics.median(ordered):{form}} ({ordered[0]:{form}} – {ordered[-1]:{form}})"


if __name__ == "__main__":
    workbench.run(main)
