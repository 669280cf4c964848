"""Kill every service of a whole stack at random while its pipeline works, and time how soon it is back.

    python benchmarks/restarts.py                # each service 20 times, about half an hour
    python benchmarks/restarts.py --at-once 1    # one after the other

Starts its own stack on free ports. Traffic is generated again whenever its run has ended, and the DAGs that
follow run as usual. Services are killed in a seeded random order. One is back when it answers from a new
process; a component of Airflow, when its database has a heartbeat later than the kill. Prints times; exits
1 if a service was not back within 30 s, if an e-mail did not report each kill once, if a DAG run did not
succeed, or if `verify` finds a difference. Reports of services that ended because another one was killed,
as Airflow's do without their database, are counted apart.
"""

import argparse
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

import httpx
import workbench
from failure_reports import Report, list_reports, reports_of
from rich.console import Console
from rich.table import Table

from shopnow import connections
from shopnow.audit.verify import verify
from shopnow.errors import UserError
from shopnow.local_stack import airflow, airflow_api, incidents, supervision
from shopnow.local_stack.services import SERVICES, is_ready
from shopnow.settings import Settings

MAX_SECONDS = 30.0
GIVE_UP_SECONDS = 180.0
SETTLE_SECONDS = 900.0
ACTIVE_STATES = {"queued", "running"}
HEARTBEATS = {
    "airflow-scheduler": ("scheduler", "latest_scheduler_heartbeat"),
    "airflow-triggerer": ("triggerer", "latest_triggerer_heartbeat"),
    "airflow-dag-processor": ("dag_processor", "latest_dag_processor_heartbeat"),
}


class Restart(NamedTuple):
    service: str
    seconds: float
    """From the kill until the service was back."""
    killed_at: datetime


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    seed = options.seed if options.seed is not None else time.time_ns() % 10**6
    rng = Random(seed)
    print(f"seed {seed}", flush=True)
    with (
        console.status("starting the stack") as status,
        workbench.services(tuple(SERVICES)) as settings,
    ):
        stop = threading.Event()
        started: list[str] = []
        worker = threading.Thread(target=keep_working, args=(settings, stop, started))
        worker.start()
        restarts: list[Restart] = []
        try:
            order = [name for _ in range(options.kills) for name in rng.sample(list(SERVICES), len(SERVICES))]
            deadline = time.monotonic() + 60 * options.minutes
            for names in batched(order, options.at_once):
                if time.monotonic() > deadline:
                    break
                status.update(f"{len(restarts)} of {len(order)} killed; now {', '.join(names)}")
                await_no_incident(settings)
                time.sleep(rng.uniform(0, 3))  # when the kill happens, not a wait for something
                with ThreadPoolExecutor(len(names)) as pool:
                    for restart in pool.map(lambda name: kill(settings, name), names):
                        restarts.append(restart)
                        print(f"{restart.service}: back after {restart.seconds:.1f} s", flush=True)
        finally:
            stop.set()
            worker.join()
        status.update("waiting for the DAG runs")
        await_no_incident(settings)
        runs = settled_runs(settings)
        checks = verify(connections.kafka_conf(connections.load(settings)), settings.lake_uri)
        reports = list_reports(settings.data_dir / "smtp")
    return report(restarts, reports, started, runs, [str(check) for check in checks if not check.ok])


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of each service")
    parser.add_argument("--at-once", type=int, default=4, choices=range(1, len(SERVICES)), metavar="N")
    parser.add_argument("--minutes", type=float, default=35, help="kill no more after this time")
    parser.add_argument("--seed", type=int)
    return parser.parse_args()


def batched(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Divide the names into batches without a name twice."""
    batch: list[str] = []
    for name in names:
        if len(batch) == size or name in batch:
            yield batch
            batch = []
        batch.append(name)
    yield batch


def keep_working(settings: Settings, stop: threading.Event, started: list[str]) -> None:
    """Trigger `generate_traffic` whenever its last run has ended, until `stop` is set; append the run ids."""
    while not stop.wait(1):
        try:
            with airflow_api.connect(settings) as api:
                if not started or state(api, "generate_traffic", started[-1]) not in ACTIVE_STATES:
                    started.append(airflow_api.trigger(api, "generate_traffic", {"sessions": 60}))
        except (UserError, httpx.HTTPError):
            continue  # the API server or its database was killed: try again in a second


def state(api: httpx.Client, dag_id: str, run_id: str) -> str:
    return api.get(f"/dags/{dag_id}/dagRuns/{run_id}").raise_for_status().json()["state"]


def kill(settings: Settings, name: str) -> Restart:
    """Kill the service and wait until it is back; its seconds are infinite if it was not."""
    pid, at, start = process(settings, name).pid, datetime.now(UTC), time.monotonic()
    if pid is None:
        raise UserError(f"{name} does not run")
    os.kill(pid, signal.SIGKILL)
    is_back = supervision.wait_until(
        lambda: process(settings, name).pid not in (None, pid) and answers(settings, name, at),
        GIVE_UP_SECONDS,
    )
    return Restart(name, time.monotonic() - start if is_back else float("inf"), at)


def process(settings: Settings, name: str) -> supervision.Process:
    return next(process for process in supervision.list_processes(settings) if process.name == name)


def answers(settings: Settings, name: str, since: datetime) -> bool:
    """Return whether the service answers; for a component of Airflow, by a heartbeat since that time."""
    if name == "watchdog":
        _, checked_at = incidents.load(settings)
        return checked_at is not None and checked_at > since
    if name not in HEARTBEATS:
        return is_ready(SERVICES[name], settings)
    component, key = HEARTBEATS[name]
    try:
        health = (
            httpx.get(f"{airflow.url(settings)}/api/v2/monitor/health", timeout=5).raise_for_status().json()
        )
    except httpx.HTTPError:
        return False
    heartbeat = health[component][key]
    return heartbeat is not None and datetime.fromisoformat(heartbeat) > since


def await_no_incident(settings: Settings) -> None:
    """Wait until the monitor has reported the return of all services, so that each kill is a new incident."""

    def are_resolved() -> bool:
        open_incidents, _ = incidents.load(settings)
        return not any(key.startswith("service/") for key in open_incidents)

    if not supervision.wait_until(are_resolved, GIVE_UP_SECONDS):
        open_incidents, _ = incidents.load(settings)
        raise UserError(f"incidents stay open after {GIVE_UP_SECONDS:.0f} s: {', '.join(open_incidents)}")


def settled_runs(settings: Settings) -> list[dict[str, Any]]:
    """Wait until the runs that traffic has caused have ended; returns all runs of all DAGs."""

    def triggered_are_over() -> bool:
        try:
            return not any(
                run["state"] in ACTIVE_STATES for run in caused_by_traffic(list_all_runs(settings))
            )
        except (UserError, httpx.HTTPError):
            return False

    supervision.wait_until(triggered_are_over, SETTLE_SECONDS, interval=2)
    return list_all_runs(settings)


def caused_by_traffic(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [run for run in runs if run["run_type"] in {"manual", "asset_triggered"}]


def list_all_runs(settings: Settings) -> list[dict[str, Any]]:
    with airflow_api.connect(settings) as api:
        return list(pages(api))


def pages(api: httpx.Client) -> Iterator[dict[str, Any]]:
    offset = 0
    while True:
        params: dict[str, Any] = {
            "limit": airflow_api.MAX_PAGE_SIZE,
            "offset": offset,
            "order_by": "run_after",
        }
        page = api.get("/dags/~/dagRuns", params=params).raise_for_status().json()["dag_runs"]
        yield from page
        if len(page) < airflow_api.MAX_PAGE_SIZE:
            return
        offset += len(page)


def report(
    restarts: list[Restart],
    reports: list[Report],
    started: list[str],
    runs: list[dict[str, Any]],
    broken: list[str],
) -> int:
    """Print the times by service and what went wrong; returns the exit status."""

    def count_reports(restart: Restart) -> int:
        return len(reports_of(restart.service, restart.killed_at, reports, MAX_SECONDS))

    table = Table("service", "kills", "back, median s", "most", "reported once", "other ends reported")
    for name in SERVICES:
        own = [restart for restart in restarts if restart.service == name]
        if not own:
            continue
        seconds = [restart.seconds for restart in own]
        counts = [count_reports(restart) for restart in own]
        others = sum(report.service == name for report in reports) - sum(counts)
        table.add_row(
            name,
            str(len(seconds)),
            f"{workbench.percentile(seconds, 50):.1f}",
            f"{max(seconds):.1f}",
            str(counts.count(1)),
            str(others),
        )
    workbench.show(table)
    states = Counter(run["state"] for run in runs)
    lost = set(started) - {run["dag_run_id"] for run in runs}
    failed = [
        f"{run['dag_id']} {run['dag_run_id']}: {run['state']}" for run in runs if run["state"] == "failed"
    ]
    slow = [restart for restart in restarts if restart.seconds > MAX_SECONDS]
    miscounted = [
        f"{restart.service}, killed at {restart.killed_at:%H:%M:%S}: {count} reports"
        for restart in restarts
        if (count := count_reports(restart)) != 1
    ]
    stuck = [run["dag_id"] for run in caused_by_traffic(runs) if run["state"] in ACTIVE_STATES]
    print(
        f"{len(restarts)} kills, {len(slow)} not back within {MAX_SECONDS:.0f} s, {len(miscounted)} not "
        f"reported once; {len(runs)} DAG runs "
        f"({', '.join(f'{count} {name}' for name, count in states.items())}), {len(lost)} of {len(started)} "
        f"triggered runs lost; verify {'finds a difference' if broken else 'holds'}"
    )
    for line in (*failed, *map(str, slow), *miscounted, *broken):
        print(line)
    return 1 if slow or lost or failed or broken or miscounted or stuck else 0


if __name__ == "__main__":
    workbench.run(main)
