"""Measure how fast the ShopNow+ tab answers many concurrent dashboards, and the memory of the API server.

    python benchmarks/dashboards.py --make 1000000 --lake hdfs://127.0.0.1:9820/million
    AIRFLOW_CONN_WEBHDFS_DEFAULT='{"conn_type": "webhdfs", "host": "127.0.0.1", "port": 9870,
        "login": "shopnow", "extra": {"lake": "hdfs://127.0.0.1:9820/million"}}' ./shopnow up
    python benchmarks/dashboards.py --dashboards 50 --seconds 60

The first command writes a lake of that many orders next to the shop's own; with the second, after a `down`,
Airflow reads it. The third opens dashboards in the running stack. Like the page, each requests its figures
every 5 s and the latest activity every 2 s, with the ETag it has; some requests go to the other pages. It
starts once all tables are read, and triggers the pipeline: traffic, landing, KPIs. Exits 1 if a request
fails, if the 95th percentile of the dashboards' requests is over 100 ms, or if the API server takes more than
600 MB.
"""

import argparse
import asyncio
import time
from collections import defaultdict
from datetime import UTC, datetime
from statistics import quantiles

import httpx
import psutil
import workbench
from rich.table import Table

from factories import sample_lake
from shopnow.local_stack import airflow, airflow_api
from shopnow.settings import Settings

CALLS = {"dashboard": 5.0, "activity?limit=14": 2.0}
"""The requests of a dashboard, each with its interval in seconds."""
OTHER_CALLS = ("orders", "payments", "deliveries", "stock", "pipeline")
"""The requests of other pages: one client each, every 5 s, in addition to the dashboards."""
DAYS = 30
SESSIONS = 300
PIPELINE = ("generate_traffic", "land_events", "compute_kpis", "watch_stock")
MAX_MS, MAX_MB = 100.0, 600.0


def main() -> int:
    options = arguments()
    if options.make:
        sample_lake.write_lake(options.lake, options.make, DAYS)
        return 0
    settings = Settings.load()
    print(f"every table was read after {wait_until_read(settings):.0f} s")
    with airflow_api.connect(settings) as api:
        start = datetime.now(UTC)
        airflow_api.trigger(api, "generate_traffic", {"sessions": SESSIONS})
        milliseconds, failed = asyncio.run(measure(settings, options.dashboards, options.seconds))
        dags = sorted({dag_id for dag_id in PIPELINE if airflow_api.list_runs(api, dag_id, start)})
    server, reader = memory_mb(settings)
    table = Table(title=f"{options.dashboards} dashboards for {options.seconds:.0f} s")
    for column in ("call", "calls", "p50 ms", "p95 ms", "most ms"):
        table.add_column(column, justify="left" if column == "call" else "right")
    for call, times in sorted(milliseconds.items()):
        cuts = quantiles(times, n=20)
        table.add_row(call, f"{len(times):,}", *(f"{value:.1f}" for value in (cuts[9], cuts[18], max(times))))
    workbench.show(table)
    slowest = max(quantiles(milliseconds[call], n=20)[18] for call in CALLS)
    print(
        f"{failed} calls failed; the API server takes {server:.0f} MB, "
        f"the process that reads the lake for it {reader:.0f} MB"
    )
    print(f"DAGs that ran at the same time: {', '.join(dags)}")
    return 1 if failed or slowest > MAX_MS or server > MAX_MB else 0


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument(
        "--make", type=int, metavar="ORDERS", help="write a lake of that many orders, and do nothing else"
    )
    parser.add_argument("--lake", help="URI of the lake that --make writes")
    parser.add_argument("--dashboards", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    return parser.parse_args()


def wait_until_read(settings: Settings) -> float:
    """Wait until the API server has read every table of the requests; returns the seconds this took."""
    started = time.monotonic()
    with httpx.Client(
        base_url=f"{airflow.url(settings)}/shopnow/api/", cookies=cookies(settings), timeout=60
    ) as client:
        while any(is_incomplete(client.get(call)) for call in (*CALLS, *OTHER_CALLS)):
            time.sleep(0.5)
    return time.monotonic() - started


def is_incomplete(response: httpx.Response) -> bool:
    """True if a table of the response is not read yet; 503 means that reading leaves no memory to answer."""
    return response.status_code == 503 or any(
        table["why"] == "unread" for table in response.raise_for_status().json()["missing"]
    )


def cookies(settings: Settings) -> dict[str, str]:
    """The session cookie that a browser would have."""
    return {
        "_token": airflow_api.fetch_token(
            airflow.url(settings), airflow.ADMIN_USER, airflow.password(settings)
        )
    }


async def measure(settings: Settings, dashboards: int, seconds: float) -> tuple[dict[str, list[float]], int]:
    """Send the requests of all dashboards for that time.

    Returns:
        The milliseconds of every request, by call, and the number of failures.
    """
    milliseconds: dict[str, list[float]] = defaultdict(list)
    failures: list[str] = []
    end = time.monotonic() + seconds

    async def poll(client: httpx.AsyncClient, call: str, interval: float, delay: float) -> None:
        headers: dict[str, str] = {}
        await asyncio.sleep(delay)
        while (started := time.monotonic()) < end:
            response = await client.get(call, headers=headers)
            milliseconds[call].append((time.monotonic() - started) * 1000)
            if response.status_code not in {200, 304}:
                failures.append(response.text)
            if "etag" in response.headers:
                headers["If-None-Match"] = response.headers["etag"]
            await asyncio.sleep(max(interval - (time.monotonic() - started), 0))

    client = httpx.AsyncClient(
        base_url=f"{airflow.url(settings)}/shopnow/api/",
        cookies=cookies(settings),
        timeout=60,
        limits=httpx.Limits(max_connections=200),
    )
    async with client:
        polls = [
            poll(client, call, interval, interval * number / dashboards)
            for number in range(dashboards)
            for call, interval in CALLS.items()
        ]
        polls += [poll(client, call, 5.0, number) for number, call in enumerate(OTHER_CALLS)]
        await asyncio.gather(*polls)
    return milliseconds, len(failures)


def memory_mb(settings: Settings) -> tuple[float, float]:
    """Memory in MB of the process that listens at the API server's port, and of its child processes."""
    port = settings.ports["airflow"]
    [pid] = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.laddr and connection.laddr.port == port and connection.status == "LISTEN"
    }
    server = psutil.Process(pid)
    children = (child.memory_info().rss for child in server.children(recursive=True))
    return server.memory_info().rss / 1e6, sum(children) / 1e6


if __name__ == "__main__":
    workbench.run(main)
