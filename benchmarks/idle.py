"""Measure what the stack uses while nothing happens, before and after 500 products sell out at once.

    python benchmarks/idle.py
    python benchmarks/idle.py --products 50 --rest 120

Starts a stack on free ports without traffic and runs the pipeline once. At rest it measures memory and CPU of
each service with its tasks, over a whole number of the five minutes after which `land_events` runs again,
then how long `land_events` runs. It sells out new products, all at once, waits until the stack rests again,
and measures the same once more, with the duration of the `watch_stock` run that sent the alerts and the
number of restock proposals that wait for a person. Exits 1 if a target is missed.
"""

import argparse
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from statistics import median
from typing import Any, NamedTuple

import httpx
import psutil
import workbench
from alert_latency import common_fields, send
from rich.console import Console
from rich.table import Table

from shopnow.errors import UserError
from shopnow.events import StockSold
from shopnow.local_stack import airflow_api, supervision
from shopnow.local_stack.services import SERVICES
from shopnow.settings import Settings

MAX_SCHEDULER_PERCENT = (7.0, 10.0)
"""Highest CPU of the scheduler, in percent of a core, before and after the products sold out."""
MAX_STACK_PERCENT = 20.0
MAX_WATCH_SECONDS = 10.0
MAX_LANDING_RATIO = 1.1
LANDINGS = 3
SETTLE_SECONDS = 900.0
QUIET_SECONDS = 20.0
"""Time without an active run after which the stack is at rest."""
WAITING_DAG = "approve_restock"
"""The DAG whose runs wait for a person while the stack is at rest."""
SCHEDULER = "airflow-scheduler"


class Phase(NamedTuple):
    """What the stack uses at rest; services by name, each with its child processes, tasks included."""

    cpu_percent: Mapping[str, float]
    """CPU time in percent of a core."""
    memory_mb: Mapping[str, float]
    """Proportional memory (PSS), MB."""
    landing_seconds: float
    """Median duration of `land_events` runs without new records."""
    waiting: int
    """Runs of `approve_restock` that wait for a person."""


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    with (
        console.status("starting") as status,
        workbench.services(list(SERVICES), traffic="off") as settings,
        airflow_api.connect(settings) as api,
    ):
        status.update("running the pipeline")
        airflow_api.trigger(api, "generate_traffic", {"sessions": 600, "seed": 1})
        before = measure(settings, api, options.rest, status.update)
        status.update(f"selling out {options.products} products")
        watch_seconds = sell_out(settings, api, options.products)
        after = measure(settings, api, options.rest, status.update)
    print_phases(before, after, watch_seconds)
    failures = list(missed_targets(before, after, watch_seconds))
    for failure in failures:
        print(f"missed: {failure}")
    return 1 if failures else 0


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("--products", type=int, default=500)
    parser.add_argument("--rest", type=float, default=300, help="seconds of each measurement")
    return parser.parse_args()


def measure(settings: Settings, api: httpx.Client, seconds: float, progress: Callable[[str], None]) -> Phase:
    progress("waiting until nothing runs")
    await_rest(api)
    progress("at rest")
    cpu_percent = rest_cpu_percent(settings, seconds)
    await_rest(api)
    memory = memory_mb(settings)
    progress("landing")
    landings = [run_landing(api) for _ in range(LANDINGS)]
    return Phase(cpu_percent, memory, median(landings), count_runs(api, WAITING_DAG))


def await_rest(api: httpx.Client) -> None:
    """Wait until no run has been active for a while, other than those that wait."""
    deadline = time.monotonic() + SETTLE_SECONDS
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < QUIET_SECONDS:
        if time.monotonic() > deadline:
            raise UserError(f"runs are still active after {SETTLE_SECONDS:.0f} s")
        time.sleep(1)
        with suppress(httpx.TransportError):
            if any(run["dag_id"] != WAITING_DAG for run in airflow_api.list_active_runs(api)):
                quiet_since = time.monotonic()


def rest_cpu_percent(settings: Settings, seconds: float) -> dict[str, float]:
    before, start = cpu_seconds(settings), time.monotonic()
    time.sleep(seconds)  # the duration of the rest, not a wait for something
    after, elapsed = cpu_seconds(settings), time.monotonic() - start
    return {name: 100 * (after[name] - before[name]) / elapsed for name in after}


def memory_mb(settings: Settings) -> dict[str, float]:
    """Return the proportional memory of each service and its child processes, MB."""
    memory = {}
    for name, members in service_processes(settings):
        memory[name] = 0.0
        for member in members:
            with suppress(psutil.NoSuchProcess):
                memory[name] += member.memory_full_info().pss / 1e6
    return memory


def cpu_seconds(settings: Settings) -> dict[str, float]:
    """Return the CPU seconds that each service and its child processes have used, ended ones included."""
    seconds = {}
    for name, members in service_processes(settings):
        seconds[name] = 0.0
        for member in members:
            # A task that ends now is counted by its parent.
            with suppress(psutil.NoSuchProcess):
                seconds[name] += sum(member.cpu_times()[:4])
    return seconds


def service_processes(settings: Settings) -> Iterator[tuple[str, list[psutil.Process]]]:
    """Yield each service's name and its processes."""
    for process in supervision.list_processes(settings):
        if process.pid:
            service = psutil.Process(process.pid)
            yield process.name, [service, *service.children(recursive=True)]


def run_landing(api: httpx.Client) -> float:
    """Run `land_events` while nothing else runs; returns its duration in seconds."""
    await_rest(api)
    run_id = airflow_api.trigger(api, "land_events", {})

    def run() -> dict[str, Any]:
        return api.get(f"/dags/land_events/dagRuns/{run_id}").raise_for_status().json()

    if not supervision.wait_until(lambda: run()["end_date"] is not None, SETTLE_SECONDS, interval=0.5):
        raise UserError(f"land_events has not ended after {SETTLE_SECONDS:.0f} s")
    return duration(run())


def sell_out(settings: Settings, api: httpx.Client, count: int) -> float:
    """Sell out new products at once; returns the seconds of the longest `watch_stock` run that follows."""
    products = [f"idle-{uuid.uuid4().hex[:12]}" for _ in range(count)]
    sales = [
        StockSold(**common_fields(product), quantity_change=-1, quantity_after=0, order_id="bench")
        for product in products
    ]
    sent_at = datetime.now(UTC)
    send(settings, sales)
    time.sleep(QUIET_SECONDS)
    await_rest(api)
    return max(duration(run) for run in airflow_api.list_runs(api, "watch_stock", sent_at))


def duration(run: Mapping[str, Any]) -> float:
    """Return the seconds from the start of a run to its end."""
    started, ended = (datetime.fromisoformat(run[name]) for name in ("start_date", "end_date"))
    return (ended - started).total_seconds()


def count_runs(api: httpx.Client, dag_id: str) -> int:
    """Return how many runs of a DAG have not ended."""
    params: dict[str, Any] = {"state": ["queued", "running"], "limit": 1}
    return api.get(f"/dags/{dag_id}/dagRuns", params=params).raise_for_status().json()["total_entries"]


def missed_targets(before: Phase, after: Phase, watch_seconds: float) -> Iterator[str]:
    """Yield each figure that is over its limit."""
    names = ("at rest", "after the stock-outs")
    for name, phase, limit in zip(names, (before, after), MAX_SCHEDULER_PERCENT, strict=True):
        scheduler, stack = phase.cpu_percent[SCHEDULER], sum(phase.cpu_percent.values())
        if scheduler > limit:
            yield f"scheduler {name} {scheduler:.1f} % of a core, at most {limit:g} %"
        if stack > MAX_STACK_PERCENT:
            yield f"stack {name} {stack:.1f} % of a core, at most {MAX_STACK_PERCENT:g} %"
    if watch_seconds > MAX_WATCH_SECONDS:
        yield f"watch_stock {watch_seconds:.1f} s, at most {MAX_WATCH_SECONDS:g} s"
    if after.landing_seconds > MAX_LANDING_RATIO * before.landing_seconds:
        yield f"land_events {after.landing_seconds:.1f} s, at most {MAX_LANDING_RATIO:g} × of before"


def print_phases(before: Phase, after: Phase, watch_seconds: float) -> None:
    phases = (before, after)
    table = Table("", "at rest", "after the stock-outs")
    for title, figures in (("CPU, % of a core", "cpu_percent"), ("memory, MB", "memory_mb")):
        values: Sequence[Mapping[str, float]] = [getattr(phase, figures) for phase in phases]
        for name in values[0]:
            table.add_row(f"{title}: {name}", *(f"{value.get(name, 0):.1f}" for value in values))
        table.add_row(f"{title}: stack", *(f"{sum(value.values()):.1f}" for value in values), style="bold")
    table.add_row("land_events, s", *(f"{phase.landing_seconds:.1f}" for phase in phases))
    table.add_row("proposals that wait in Airflow", *(str(phase.waiting) for phase in phases))
    table.add_row("watch_stock, s", "", f"{watch_seconds:.1f}")
    workbench.show(table)


if __name__ == "__main__":
    os.environ["SHOPNOW_TRAFFIC"] = "off"
    workbench.run(main)
