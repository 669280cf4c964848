"""Compare PostgreSQL and SQLite as Airflow's metadata database, each under a whole stack of its own.

    python benchmarks/metadata_database.py --triggers 200

For each database: starts a stack on free ports, runs the pipeline, measures its memory at rest, and triggers
`approve_restock` that many times at once, which is over when every run waits for a person. Prints both, side
by side. The product runs PostgreSQL only; SQLite is set here, as it was before (docs/decisions/0020). The
server of PostgreSQL runs with SQLite, too, but idle, and its memory does not count there.
"""

import argparse
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import workbench
from rich.console import Console
from rich.table import Table

from shopnow.errors import UserError
from shopnow.local_stack import airflow, airflow_api, supervision
from shopnow.local_stack.services import SERVICES
from shopnow.settings import Settings

DATABASES = ("PostgreSQL", "SQLite")
DEMO_CHAIN = ("generate_traffic", "land_events", "compute_kpis", "watch_stock")
REST_SECONDS = 60.0
PIPELINE_SECONDS = 900.0
UNCHANGED_SECONDS = 240.0
"""After this time without another waiting run, those that are missing are lost."""
CLIENTS = 20
"""Threads that trigger at once."""
TIMEOUT_SECONDS = 120.0
NO_ANSWER = 599
"""Status of a trigger without an answer."""


class Storm(NamedTuple):
    """What came of the triggers that were sent at once."""

    refused: int
    """Triggers that were answered with an error, or not within `TIMEOUT_SECONDS`."""
    lost: int
    """Accepted runs that do not wait for a person in the end."""
    seconds: float
    """From the first trigger until every run waited, or nothing changed any more."""
    restarts: int
    """Ends of services of Airflow meanwhile."""


class Result(NamedTuple):
    start: float
    pipeline: float
    hops: tuple[float, ...]
    """Seconds from the update of the asset that triggers each run of the chain to the start of the run."""
    memory_mb: float
    """PSS of Airflow's services and of PostgreSQL at rest."""
    storm: Storm


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    results = {}
    for name in options.databases:
        with console.status(f"{name}: starting") as status:
            results[name] = measure(name, options.triggers, lambda step: status.update(f"{name}: {step}"))  # noqa: B023
        print(name, results[name], flush=True)  # the other one may take long, or fail
    table = Table("", *results)
    rows: dict[str, Callable[[Result], str]] = {
        "start of the stack, s": lambda result: f"{result.start:.0f}",
        "pipeline, from traffic to KPIs and alerts, s": lambda result: f"{result.pipeline:.0f}",
        "from an asset to the next DAG run, s": lambda result: " ".join(f"{hop:.1f}" for hop in result.hops),
        "memory at rest, MB": lambda result: f"{result.memory_mb:.0f}",
        f"{options.triggers} triggers: refused": lambda result: str(result.storm.refused),
        "… runs lost": lambda result: str(result.storm.lost),
        "… seconds until all waited": lambda result: f"{result.storm.seconds:.0f}",
        "… services that ended": lambda result: str(result.storm.restarts),
    }
    for label, cell in rows.items():
        table.add_row(label, *(cell(result) for result in results.values()))
    workbench.show(table)
    storm = results["PostgreSQL"].storm if "PostgreSQL" in results else None
    return 1 if storm and (storm.refused or storm.lost) else 0


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("--triggers", type=int, default=200)
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    return parser.parse_args()


def measure(database: str, triggers: int, progress: Callable[[str], None]) -> Result:
    start = time.monotonic()
    with metadata_in(database), workbench.services(list(SERVICES)) as settings:
        started = time.monotonic() - start
        progress("running the pipeline")
        pipeline, seconds_between = run_pipeline(settings)
        progress("at rest")
        time.sleep(REST_SECONDS)  # the duration of the rest, not a wait for something
        memory = rest_memory_mb(settings, with_server=database == "PostgreSQL")
        progress(f"{triggers} triggers at once")
        return Result(started, pipeline, seconds_between, memory, trigger_at_once(settings, triggers))


@contextmanager
def metadata_in(database: str) -> Iterator[None]:
    """Let Airflow use this database instead of the product's."""
    product_environment = airflow.environment

    def environment(
        settings: Settings,
        java: Path,
        connection_ids: Collection[str] | None = None,
        key_names: Collection[str] = tuple(airflow.KEY_OPTIONS),
    ) -> dict[str, str]:
        file = airflow.home_dir(settings) / "airflow.db"
        return {
            **product_environment(settings, java, connection_ids, key_names),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{file}",
        }

    if database == "SQLite":
        airflow.environment = environment
    try:
        yield
    finally:
        airflow.environment = product_environment


def run_pipeline(settings: Settings) -> tuple[float, tuple[float, ...]]:
    """Run the pipeline once on new traffic; returns its seconds, and the hops between its DAG runs."""
    start = time.monotonic()
    runs: list[dict[str, Any]] = []
    with airflow_api.connect(settings) as api:
        airflow_api.trigger(api, DEMO_CHAIN[0], {"sessions": 600, "seed": 1})
        for dag_id in DEMO_CHAIN:
            runs.append(await_run(api, dag_id, runs[-1] if runs else None))
        return time.monotonic() - start, tuple(hops(api, runs))


def await_run(api: httpx.Client, dag_id: str, previous: dict[str, Any] | None) -> dict[str, Any]:
    """Return the run that the previous DAG's run has triggered, once it has ended.

    It may start before the other run has ended: the assets of a task are updated at the task's end.
    """
    deadline = time.monotonic() + PIPELINE_SECONDS
    while time.monotonic() < deadline:
        run = airflow_api.last_finished_run(api, dag_id)
        if run and (
            previous is None
            or (
                run["run_type"] == "asset_triggered"
                and run["start_date"] > previous["start_date"]
                and run["end_date"] > previous["end_date"]
            )
        ):
            return run
        time.sleep(0.5)
    raise UserError(f"{dag_id} has not ended after {PIPELINE_SECONDS:.0f} s")


def hops(api: httpx.Client, runs: list[dict[str, Any]]) -> Iterator[float]:
    for run in runs[1:]:
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/upstreamAssetEvents"
        events = api.get(path).raise_for_status().json()["asset_events"]
        updated = max(datetime.fromisoformat(event["timestamp"]) for event in events)
        yield (datetime.fromisoformat(run["start_date"]) - updated).total_seconds()


def rest_memory_mb(settings: Settings, with_server: bool) -> float:
    """Return the proportional memory of Airflow's services, and of PostgreSQL, with their children, MB."""
    services = [
        psutil.Process(process.pid)
        for process in supervision.list_processes(settings)
        if process.pid
        and (process.name.startswith("airflow-") or (with_server and process.name == "postgres"))
    ]
    members = [member for service in services for member in (service, *service.children(recursive=True))]
    return sum(map(proportional_bytes, members)) / 1e6


def proportional_bytes(process: psutil.Process) -> int:
    """Return the process's proportional memory; 0 if it has ended, as those that parse DAG files soon do."""
    try:
        return process.memory_full_info().pss
    except psutil.NoSuchProcess:
        return 0


def trigger_at_once(settings: Settings, count: int) -> Storm:
    """Trigger `approve_restock` in many threads at once, and wait until every run waits for a person."""
    address, begin = airflow.url(settings), threading.Barrier(CLIENTS)
    token = airflow_api.fetch_token(address, airflow.ADMIN_USER, airflow.password(settings))
    headers = {"Authorization": f"Bearer {token}"}

    def trigger(number: int) -> int:
        if number < CLIENTS:
            begin.wait()
        conf = {"product_id": f"storm-{number}", "on_hand": 1, "quantity": 1}
        request = {"logical_date": None, "conf": conf, "dag_run_id": f"storm-{number}"}
        with httpx.Client(base_url=f"{address}/api/v2", headers=headers, timeout=TIMEOUT_SECONDS) as api:
            try:
                return api.post("/dags/approve_restock/dagRuns", json=request).status_code
            except httpx.TransportError:
                return NO_ANSWER

    ends_before = ends_of_airflow(settings)
    waiting_before = waiting_runs(address, headers, 0)
    start = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        statuses = list(pool.map(trigger, range(count)))
    accepted = sum(status < 300 for status in statuses)
    waiting = last = 0
    seconds = time.monotonic()
    while waiting < accepted and time.monotonic() - seconds < UNCHANGED_SECONDS:
        time.sleep(2)
        waiting = waiting_runs(address, headers, last + waiting_before) - waiting_before
        if waiting != last:
            last, seconds = waiting, time.monotonic()
    return Storm(
        count - accepted,
        accepted - waiting,
        seconds - start,
        ends_of_airflow(settings) - ends_before,
    )


def waiting_runs(address: str, headers: dict[str, str], otherwise: int) -> int:
    """Return how many runs of `approve_restock` wait for a person; `otherwise` if the API does not answer."""
    params: dict[str, Any] = {"state": "awaiting_input", "limit": 1}
    try:
        with httpx.Client(base_url=f"{address}/api/v2", headers=headers, timeout=60) as api:
            return (
                api.get("/dags/approve_restock/dagRuns/~/taskInstances", params=params)
                .raise_for_status()
                .json()["total_entries"]
            )
    except httpx.HTTPError:
        return otherwise


def ends_of_airflow(settings: Settings) -> int:
    """Return how many times services of Airflow have ended since the stack started."""
    log = (supervision.log_dir(settings) / "supervisord.log").read_text()
    return sum("exited: airflow-" in line for line in log.splitlines())


if __name__ == "__main__":
    os.environ["SHOPNOW_TRAFFIC"] = "off"
    workbench.run(main)
