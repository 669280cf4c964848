"""How fast the ShopNow+ tab answers when many look at once, and the memory of the API server meanwhile.

    python benchmarks/dashboards.py --make 1000000 --lake hdfs://127.0.0.1:9820/million
    AIRFLOW_CONN_WEBHDFS_DEFAULT='{"conn_type": "webhdfs", "host": "127.0.0.1", "port": 9870, "login": "shopnow",
        "extra": {"lake": "hdfs://127.0.0.1:9820/million"}}' ./shopnow up
    python benchmarks/dashboards.py --dashboards 50 --seconds 60

The first writes a lake of that many orders beside the shop's own; with the second, after a `down`, Airflow reads it. The third opens
so many dashboards in the running stack, each of which asks for its figures every 5 s and for the latest activity every 2 s, as the page
does, with the ETag it has; some look at the other pages. It begins once the tables are read, and sets the pipeline going: traffic,
landing, KPIs. Exits 1 if a call fails, 95 % of those of the dashboards take longer than 100 ms, or the API server more than 600 MB.
"""

import argparse
import asyncio
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from factories import sample_lake
from shopnow.local_stack import airflow, airflow_api
from shopnow.settings import Settings

CALLS = {"dashboard": 5.0, "activity?limit=14": 2.0}
"""What a dashboard asks for, and every how many seconds."""
OTHERS = ("orders", "payments", "deliveries", "stock", "pipeline")
"""What those ask for who look at something else: one of them each, every 5 s, beside the dashboards."""
DAYS = 30
SESSIONS = 300
PIPELINE = ("generate_traffic", "land_events", "compute_kpis", "watch_stock")
MOST_MS, MOST_MB = 100.0, 600.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--make", type=int, metavar="ORDERS", help="write a lake, and nothing else")
    parser.add_argument("--lake", help="where to")
    parser.add_argument("--dashboards", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    if options.make:
        sample_lake.make(options.lake, options.make, DAYS)
        return 0
    settings = Settings.load()
    print(f"every table is read after {read_all(settings):.0f} s")
    with airflow_api.connect(settings) as api:
        began = datetime.now(UTC)
        airflow_api.trigger(api, "generate_traffic", {"sessions": SESSIONS})
        took, failed = asyncio.run(measure(settings, options.dashboards, options.seconds))
        ran = sorted({dag for dag in PIPELINE if airflow_api.runs(api, dag, began)})
    server, reader = memory(settings)
    table = Table(title=f"{options.dashboards} dashboards for {options.seconds:.0f} s")
    for column in ("call", "calls", "p50 ms", "p95 ms", "most ms"):
        table.add_column(column, justify="left" if column == "call" else "right")
    for call, times in sorted(took.items()):
        cuts = quantiles(times, n=20)
        table.add_row(call, f"{len(times):,}", *(f"{value:.1f}" for value in (cuts[9], cuts[18], max(times))))
    Console().print(table)
    worst = max(quantiles(took[call], n=20)[18] for call in CALLS)
    print(
        f"{failed} calls failed; the API server takes {server:.0f} MB, the process that reads the lake for it {reader:.0f}"
    )
    print(f"meanwhile ran {', '.join(ran)}")
    return 1 if failed or worst > MOST_MS or server > MOST_MB else 0


def read_all(settings: Settings) -> float:
    """Seconds until the API server has read every table that is asked for."""
    started = time.monotonic()
    with httpx.Client(
        base_url=f"{airflow.url(settings)}/shopnow/api/", cookies=cookies(settings), timeout=60
    ) as client:
        while any(unread(client.get(call)) for call in (*CALLS, *OTHERS)):
            time.sleep(0.5)
    return time.monotonic() - started


def unread(answer: httpx.Response) -> bool:
    """Whether something is still to be read for it; 503 says that reading leaves no memory for the answer."""
    return answer.status_code == 503 or any(
        each["why"] == "unread" for each in answer.raise_for_status().json()["missing"]
    )


def cookies(settings: Settings) -> dict[str, str]:
    """The cookie, as browsers have it."""
    return {"_token": airflow_api.token(airflow.url(settings), airflow.USERNAME, airflow.password(settings))}


async def measure(settings: Settings, dashboards: int, seconds: float) -> tuple[dict[str, list[float]], int]:
    """Milliseconds of every call, by call, and how many failed."""
    took: dict[str, list[float]] = defaultdict(list)
    failures: list[str] = []
    end = time.monotonic() + seconds

    async def ask(client: httpx.AsyncClient, call: str, every: float, first: float) -> None:
        headers: dict[str, str] = {}
        await asyncio.sleep(first)
        while (started := time.monotonic()) < end:
            answer = await client.get(call, headers=headers)
            took[call].append((time.monotonic() - started) * 1000)
            if answer.status_code not in {200, 304}:
                failures.append(answer.text)
            if "etag" in answer.headers:
                headers["If-None-Match"] = answer.headers["etag"]
            await asyncio.sleep(max(every - (time.monotonic() - started), 0))

    client = httpx.AsyncClient(
        base_url=f"{airflow.url(settings)}/shopnow/api/",
        cookies=cookies(settings),
        timeout=60,
        limits=httpx.Limits(max_connections=200),
    )
    async with client:
        asked = [
            (call, every, every * number / dashboards)
            for number in range(dashboards)
            for call, every in CALLS.items()
        ]
        asked += [(call, 5.0, number) for number, call in enumerate(OTHERS)]
        await asyncio.gather(*(ask(client, *each) for each in asked))
    return took, len(failures)


def memory(settings: Settings) -> tuple[float, float]:
    """MB of the process that listens at the API server's port, and of all that it started."""
    port = settings.ports["airflow"]
    [pid] = {
        each.pid
        for each in psutil.net_connections("tcp")
        if each.laddr and each.laddr.port == port and each.status == "LISTEN"
    }
    server = psutil.Process(pid)
    started = (child.memory_info().rss for child in server.children(recursive=True))
    return server.memory_info().rss / 1e6, sum(started) / 1e6


if __name__ == "__main__":
    sys.exit(main())
