"""Send thousands of hostile requests and forms to the API server of a stack, and watch its memory.

    python benchmarks/hostile_requests.py --requests 10000

Starts its own stack on free ports, with a little traffic in the lake. Nine of ten items are requests for the
tab, the others forms for Airflow's API; half of the requests have no login. Prints the statuses and the
resident memory of the API process, and that of the process that reads the lake for it, after every tenth.
Exits 1 if there was a server error or no answer, or if the API process ever had more than 600 MB.
"""

import argparse
import time
from collections import Counter
from random import Random
from typing import NamedTuple

import psutil
import workbench
from rich.console import Console
from rich.table import Table

from factories import hostile_forms, hostile_requests
from shopnow.errors import UserError
from shopnow.local_stack import airflow, airflow_api, supervision
from shopnow.local_stack.services import SERVICES
from shopnow.settings import Settings
from shopnow_tab_app.pages.registry import EXPORTS
from support import storm, storm_checks, storm_delivery
from support.storm_delivery import Answer

MAX_MB = 600.0
PARTS = 10
PIPELINE = {"generate_traffic": {"sessions": 100, "seed": 1}, "land_events": {}, "compute_kpis": {}}
START_SECONDS = 300.0


class Memory(NamedTuple):
    """Resident memory in MB."""

    api: float
    reader: float
    """The children of the API process: the process that reads the lake for the tab."""


def main() -> int:
    options = arguments()
    seed = options.seed if options.seed is not None else time.time_ns() % 10**6
    rng = Random(seed)
    console = Console(stderr=True)
    print(f"seed {seed}", flush=True)
    answers: list[Answer] = []
    with (
        console.status("starting the stack") as status,
        workbench.services(tuple(SERVICES)) as settings,
        airflow_api.connect(settings) as api,
    ):
        for dag_id, conf in PIPELINE.items():
            storm.run_dag(api, dag_id, **conf)
        tab, port = f"{airflow.url(settings)}/shopnow/api", settings.ports["airflow"]
        token = airflow_api.fetch_token(airflow.url(settings), airflow.ADMIN_USER, airflow.password(settings))

        def is_lake_read() -> bool:
            return all(api.get(f"{tab}/tables/{name}.csv").status_code == 200 for name in EXPORTS)

        if not supervision.wait_until(is_lake_read, START_SECONDS, interval=1):
            raise UserError(f"the tab has not read the lake after {START_SECONDS:.0f} s")
        openapi, params = api.get(f"{tab}/openapi.json").raise_for_status().json(), storm.param_schemas(api)
        memory, size = [measure(settings)], options.requests // PARTS
        for part in range(PARTS):
            status.update(f"{part * size:,} of {options.requests:,} sent")
            forms = hostile_forms.refused(rng, params, size // 10)
            requests = hostile_requests.generate(rng, openapi, size - len(forms))
            half = len(requests) // 2
            answers += storm_delivery.send_requests(port, token, requests[:half])
            answers += storm_delivery.send_requests(port, "none", requests[half:])
            answers += storm_delivery.post_forms(api, forms)
            memory.append(measure(settings))
    return report(answers, memory)


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int)
    return parser.parse_args()


def measure(settings: Settings) -> Memory:
    [service] = [
        process for process in supervision.list_processes(settings) if process.name == "airflow-api-server"
    ]
    server = psutil.Process(service.pid)
    children = sum(child.memory_info().rss for child in server.children(recursive=True))
    return Memory(server.memory_info().rss / 1e6, children / 1e6)


def report(answers: list[Answer], memory: list[Memory]) -> int:
    """Print memory and statuses; returns the exit status."""
    table = Table("items", "API process, MB", "reader, MB")
    for part, used in enumerate(memory):
        table.add_row(f"{part * len(answers) // PARTS:,}", f"{used.api:.0f}", f"{used.reader:.0f}")
    workbench.show(table)
    statuses = Counter(answer.status for answer in answers)
    print(
        f"{len(answers):,} answers:",
        ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items())),
    )
    wrong = storm_checks.server_errors(answers)
    for answer in wrong[:20]:
        print(answer)
    return 1 if wrong or max(used.api for used in memory) > MAX_MB else 0


if __name__ == "__main__":
    workbench.run(main)
