"""Measure how quick the stack is after a month of schedule, before and after the DAG `purge_history`.

    python benchmarks/housekeeping.py --runs 60000 --landings 30

Starts a stack of its own and measures it three times: at the end of its first day; with a month of history,
which is what a stack keeps by default; and after `purge_history` has deleted that month as expired. The
history is made of copies of some runs, in Airflow's database with what belongs to them and as log files, and
of real landing commits. Measured are sizes; *hops*, from the end of the task that updates an asset to the
start of the run that it triggers; the answers of the tab's pages and of Airflow's API.

Exits 1 if a median after the purge is more than 10 % over that of the first day, or if `verify` fails.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import httpx
import past_month
import workbench
from rich.console import Console
from rich.table import Table

from shopnow.audit.verify import verify
from shopnow.events import TOPICS
from shopnow.history import airflow_database
from shopnow.local_stack import airflow, airflow_api, supervision
from shopnow.local_stack.services import SERVICES
from shopnow.settings import Settings

PAGES = ("dashboard", "activity?limit=14", "orders", "payments", "deliveries", "stock", "pipeline")
REQUESTS = 200
"""Requests per page."""
RUNS_PER_DAY = 2_000
LANDINGS_PER_DAY = 20
HOPS = (
    ("land_events", "land", "compute_kpis"),
    ("compute_kpis", "compute", "watch_stock"),
)
"""A DAG, its task that updates an asset, and the DAG that this triggers."""
PURGE = "purge_history"
MINUTE = 60
SLOWDOWN = 1.1


class Phase(NamedTuple):
    name: str
    seconds: dict[str, list[float]]
    """Measured times by what was measured."""
    sizes: dict[str, str]


def main() -> int:
    options = arguments()
    console = Console()
    # The copies are older than this, and so expired.
    with (
        workbench.services(
            list(SERVICES), traffic="off", history_days=past_month.MONTH.newest.days - 1
        ) as settings,
        airflow_api.connect(settings) as api,
    ):
        for _ in range(options.cycles):
            run_cycle(api)
        add_history(settings, past_month.DAY, RUNS_PER_DAY, LANDINGS_PER_DAY, console)
        phases = [measure("first day", settings, api, options)]
        add_history(settings, past_month.MONTH, options.runs, options.landings, console)
        phases.append(measure("with a month of history", settings, api, options))
        past_month.age_table_logs(settings)
        console.print("purge_history:", *purge(api), sep="\n  ")
        past_month.add_landings(settings, LANDINGS_PER_DAY)
        phases.append(measure("after purge_history", settings, api, options))
        broken = [
            check
            for check in verify(
                {"bootstrap.servers": settings.bootstrap_servers}, settings.lake_uri, lambda *_: None
            )
            if not check.ok
        ]
    show(console, phases)
    slow = slower(phases[0], phases[-1])
    console.print(f"more than {SLOWDOWN - 1:.0%} slower than on the first day: {slow or 'nothing'}")
    console.print(f"verify: {broken or 'all checks hold'}")
    return 1 if slow or broken else 0


def add_history(
    settings: Settings, period: past_month.Period, runs: int, landings: int, console: Console
) -> None:
    start = time.monotonic()
    rows = past_month.copy_runs(settings, runs, period)
    files = past_month.copy_logs(settings, period)
    commits = past_month.add_landings(settings, landings)
    console.print(
        f"history of a {period.name} made in {time.monotonic() - start:.0f} s: {rows}, {files:,} log files, "
        f"{commits} landing commits"
    )


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("--runs", type=int, default=60_000, help="DAG runs of the history")
    parser.add_argument("--landings", type=int, default=30, help="landings of each topic in the history")
    parser.add_argument("--cycles", type=int, default=5, help="measured runs of the pipeline per phase")
    return parser.parse_args()


def measure(name: str, settings: Settings, api: httpx.Client, options: argparse.Namespace) -> Phase:
    seconds: dict[str, list[float]] = {}
    run_cycle(api)  # not measured: the first reads all records that landed before
    for _ in range(options.cycles):
        for hop, value in run_cycle(api).items():
            seconds.setdefault(hop, []).append(value)
    for call, value in time_requests(settings, api):
        seconds.setdefault(call, []).append(value)
    return Phase(name, seconds, sizes(settings))


def run_cycle(api: httpx.Client) -> dict[str, float]:
    """Run the pipeline once; returns the seconds of each hop."""
    start = datetime.now(UTC)
    airflow_api.trigger(api, "generate_traffic", {"sessions": 30})
    wait_until(lambda: ended_runs(api, HOPS[-1][-1], start) and not airflow_runs(api))
    hops = {}
    for dag_id, task_id, next_dag in HOPS:
        [updated] = [task for task in tasks(api, dag_id, start) if task["task_id"] == task_id]
        ended = datetime.fromisoformat(updated["end_date"])
        wait_until(partial(started_after, api, next_dag, start, ended))
        started = min(started_after(api, next_dag, start, ended))
        hops[f"hop {dag_id} → {next_dag}"] = (started - ended).total_seconds()
    wait_until(lambda: not airflow_runs(api))
    return hops


def started_after(api: httpx.Client, dag_id: str, since: datetime, ended: datetime) -> list[datetime]:
    """The starts of the DAG's runs after that end; other assets may have triggered an earlier one."""
    runs = airflow_api.list_runs(api, dag_id, since)
    starts = [datetime.fromisoformat(run["start_date"]) for run in runs if run["start_date"]]
    return [start for start in starts if start >= ended]


def airflow_runs(api: httpx.Client) -> list[str]:
    """The DAGs of the pipeline that are running."""
    active = {run["dag_id"] for run in airflow_api.list_active_runs(api)}
    return sorted(active & {"generate_traffic", "land_events", "compute_kpis", "watch_stock"})


def ended_runs(api: httpx.Client, dag_id: str, since: datetime) -> list[dict[str, Any]]:
    return [run for run in airflow_api.list_runs(api, dag_id, since) if run["end_date"]]


def tasks(api: httpx.Client, dag_id: str, since: datetime) -> list[dict[str, Any]]:
    """The started task instances of the DAG's first run since a time."""
    run = ended_runs(api, dag_id, since)[0]
    path = f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}/taskInstances"
    instances = api.get(path).raise_for_status().json()["task_instances"]
    return [task for task in instances if task["start_date"]]


def time_requests(settings: Settings, api: httpx.Client) -> Iterator[tuple[str, float]]:
    token = airflow_api.fetch_token(airflow.url(settings), airflow.ADMIN_USER, airflow.password(settings))
    address = f"{airflow.url(settings)}/shopnow/api/"
    with httpx.Client(base_url=address, cookies={"_token": token}, timeout=60) as tab:
        for page in PAGES:
            wait_until(partial(is_answered, tab, page))
            for _ in range(REQUESTS):
                start = time.perf_counter()
                tab.get(page).raise_for_status()
                yield f"tab: {page}", time.perf_counter() - start
    for _ in range(REQUESTS):
        start = time.perf_counter()
        airflow_api.list_latest_runs(api)
        yield "API: latest 100 runs", time.perf_counter() - start


def is_answered(tab: httpx.Client, page: str) -> bool:
    return tab.get(page).is_success


def sizes(settings: Settings) -> dict[str, str]:
    log_files = [path for path in past_month.log_folder(settings).rglob("*") if path.is_file()]
    client = past_month.hdfs_client(settings)
    commits = sum(len(client.list(f"/shopnow/raw/{topic}/_delta_log")) for topic in TOPICS)
    edits = [path.stat().st_size for path in settings.data_dir.rglob("current/edits_0*-*")]
    return {
        "metadata database": f"{airflow_database.size(airflow.database_login(settings)) / 1e6:,.0f} MB",
        "task logs": f"{len(log_files):,} files, {sum(p.stat().st_size for p in log_files) / 1e6:,.0f} MB",
        "files in the Delta logs of raw": f"{commits:,}",
        "edit log of the NameNode": f"{sum(edits) / 1e6:.1f} MB",
    }


def purge(api: httpx.Client) -> list[str]:
    """Run `purge_history`; returns what each task returned, and how long it took."""
    start = datetime.now(UTC)
    run_id = airflow_api.trigger(api, PURGE, {})
    wait_until(lambda: ended_runs(api, PURGE, start), 30 * MINUTE)
    lines = []
    for task in tasks(api, PURGE, start):
        path = f"/dags/{PURGE}/dagRuns/{run_id}/taskInstances/{task['task_id']}/xcomEntries/return_value"
        value = api.get(path).json().get("value")
        lines.append(f"{task['task_id']}: {task['state']} in {task['duration']:.0f} s: {value}")
    return lines


def show(console: Console, phases: list[Phase]) -> None:
    table = Table(title="medians and 95th percentiles")
    for column in ("", *(phase.name for phase in phases)):
        table.add_column(column, justify="right" if column else "left")
    for what in phases[0].sizes:
        table.add_row(what, *(phase.sizes[what] for phase in phases))
    for what in phases[0].seconds:
        table.add_row(what, *(describe(phase.seconds[what]) for phase in phases))
    workbench.show(table)


def describe(seconds: list[float]) -> str:
    return f"{median(seconds) * 1000:,.1f} / {workbench.percentile(seconds, 95) * 1000:,.1f} ms"


def slower(first: Phase, last: Phase) -> list[str]:
    """What takes longer than on the first day, by more than the limit."""
    return [
        what
        for what, seconds in first.seconds.items()
        if median(last.seconds[what]) > SLOWDOWN * median(seconds)
    ]


def wait_until(condition: Callable[[], Any], seconds: float = 15 * MINUTE) -> None:
    if not supervision.wait_until(lambda: bool(condition()), seconds, interval=0.5):
        raise TimeoutError(f"not done after {seconds:.0f} s")


if __name__ == "__main__":
    workbench.run(main)
