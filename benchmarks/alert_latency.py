"""How long it takes from a stock-out that Kafka has acknowledged to the mail and the Slack message, on the running stack.

    ./shopnow up && ./shopnow bench alerts
    ./shopnow bench alerts --trials 10 --json

Sells out a product of its own in each trial, waits until both servers have its message, and says in which stages the time went:
acknowledged by Kafka → woken (asset event stored) → task started → evaluated (alert committed) → mail and Slack received.
Meanwhile `land_events` and `compute_kpis` run, one after the other, all the time. In the end the products are put back in
stock and the proposals to restock them rejected. Exits 1 if an alert is missing or repeated, or the 95th percentile is over 10 s.
"""

import argparse
import json
import random
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

import httpx
from confluent_kafka import KafkaException, Producer
from rich.console import Console
from rich.table import Table

from shopnow.errors import UserError
from shopnow.events import SCHEMA_VERSION, Stock, StockAdjusted, StockSold, encode, key
from shopnow.lake.delta import tables
from shopnow.local_stack import airflow_api
from shopnow.settings import Settings

ASKED_SECONDS = 10.0
PATIENCE_SECONDS = 120.0
STAGES = ("woken", "started", "evaluated", "mail", "slack")


class Trial(NamedTuple):
    """A product's alert: when Kafka had acknowledged the stock-out, and when each server received how many messages about it."""

    product: str
    acknowledged: datetime
    mail: list[datetime]
    slack: list[datetime]

    def told(self, mail: list[datetime], slack: list[datetime]) -> "Trial":
        return self._replace(mail=mail, slack=slack)

    @property
    def seconds(self) -> float | None:
        """Until both had one; None if one never came."""
        if not (self.mail and self.slack):
            return None
        return (max(self.mail[0], self.slack[0]) - self.acknowledged).total_seconds()


def main() -> int:
    options = arguments()
    settings = Settings.load()
    console = Console(stderr=True)
    try:
        with airflow_api.connect(settings) as api, busy(api):
            sold = []
            for number in range(options.trials):
                with console.status(f"trial {number + 1} of {options.trials}"):
                    sold.append(trial(settings))
                    time.sleep(random.uniform(0.5, 3))
            trials = [each.told(*received(settings, each.product)) for each in sold]
            stages = [stages_of(settings, api, each) for each in trials]
            put_back(settings, api, [each.product for each in trials])
    except (UserError, KafkaException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    result = summary(trials, stages)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    p95 = result["p95_seconds"]
    return (
        0
        if p95 is not None and p95 <= ASKED_SECONDS and not result["missed"] and not result["repeated"]
        else 1
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def trial(settings: Settings) -> Trial:
    """Sell out a product and wait for its messages."""
    product = f"bench-{uuid.uuid4().hex[:12]}"
    acknowledged = send(
        settings, [StockSold(**common(product), quantity_change=-1, quantity_after=0, order_id="bench")]
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    found = Trial(product, acknowledged, [], [])
    while found.seconds is None and time.monotonic() < deadline:
        time.sleep(0.1)
        found = found.told(*received(settings, product))
    return found


def common(product: str) -> dict[str, Any]:
    return {
        "event_id": str(uuid.uuid4()),
        "event_time": datetime.now(UTC),
        "schema_version": SCHEMA_VERSION,
        "product_id": product,
        "product_name": product,
    }


def send(settings: Settings, events: Sequence[Stock]) -> datetime:
    """When Kafka had acknowledged all of them."""
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "enable.idempotence": True})
    for event in events:
        producer.produce("stock", encode(event), key(event))
    if producer.flush(30):
        raise UserError(f"Kafka at {settings.bootstrap_servers} does not answer: run ./shopnow up")
    return datetime.now(UTC)


def received(settings: Settings, product: str) -> tuple[list[datetime], list[datetime]]:
    """When the mail and the Slack server received messages about the product, the first first."""
    mails = [file.read_bytes() for file in (settings.data_dir / "smtp").glob("*.eml")]
    mail = [message_from_bytes(each)["X-Received-At"] for each in mails if product.encode() in each]
    kept = settings.data_dir / "slack" / "messages.jsonl"
    lines = kept.read_text().splitlines() if kept.exists() else []
    slack = [json.loads(line)["received_at"] for line in lines if product in line]
    return sorted(map(time_of, mail)), sorted(map(time_of, slack))


@contextmanager
def busy(api: httpx.Client) -> Iterator[None]:
    """Keeps `land_events` and `compute_kpis` at work meanwhile."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(2):
            with suppress(httpx.HTTPError):
                active = [
                    api.get(f"/dags/{dag_id}/dagRuns", params={"state": state, "limit": 1})
                    .raise_for_status()
                    .json()["total_entries"]
                    for dag_id in ("land_events", "compute_kpis")
                    for state in ("queued", "running")
                ]
                if not any(active):
                    airflow_api.trigger(api, "land_events", {})

    thread = threading.Thread(target=work, name="busy")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def stages_of(settings: Settings, api: httpx.Client, trial: Trial) -> dict[str, float] | None:
    """Seconds from each stage to the next; None for a trial that is missed, or whose stages cannot be told."""
    if trial.seconds is None:
        return None
    since = {
        "timestamp_gte": trial.acknowledged.isoformat(),
        "order_by": "timestamp",
        "limit": "100",
        "name_pattern": "stock",
    }
    events = api.get("/assets/events", params=since).raise_for_status().json()["asset_events"]
    woken = next(
        (each for each in events if trial.product in each["extra"].get("payload", {}).get("products", [])),
        None,
    )
    # A run woken by something else may have told of it first.
    runs = airflow_api.runs(api, "watch_stock", trial.acknowledged - timedelta(minutes=2))
    tasks = [
        time_of(each["start_date"])
        for run in runs
        for each in api.get(f"/dags/watch_stock/dagRuns/{run['dag_run_id']}/taskInstances")
        .raise_for_status()
        .json()["task_instances"]
        if each["start_date"] and time_of(each["start_date"]) < trial.mail[0]
    ]
    if woken is None or not tasks:
        return None
    task = max(tasks)
    commits = [
        datetime.fromtimestamp(each["timestamp"] / 1000, UTC)
        for each in tables.open_table(settings.lake_uri, "alerts").history(2000)
    ]
    evaluated = min((commit for commit in commits if task <= commit <= trial.mail[0]), default=task)
    times = [trial.acknowledged, time_of(woken["timestamp"]), task, evaluated, trial.mail[0], trial.slack[0]]
    steps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    steps[-1] = (trial.slack[0] - evaluated).total_seconds()  # mail and Slack go out side by side
    return dict(zip(STAGES, steps, strict=True))


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def put_back(settings: Settings, api: httpx.Client, products: Sequence[str]) -> None:
    """Have the products in stock again, and nobody asked about them."""
    send(
        settings,
        [
            StockAdjusted(**common(each), quantity_change=1000, quantity_after=1000, reason="benchmark")
            for each in products
        ],
    )
    waiting = (
        api.get("/dags/approve_restock/dagRuns", params={"state": "running", "limit": 1000})
        .raise_for_status()
        .json()["dag_runs"]
    )
    for run in waiting:
        if run["conf"].get("product_id") in products:
            api.delete(f"/dags/approve_restock/dagRuns/{run['dag_run_id']}")


def summary(trials: Sequence[Trial], stages: Sequence[dict[str, float] | None]) -> dict[str, Any]:
    seconds = [each.seconds for each in trials if each.seconds is not None]
    told = [each for each in stages if each is not None]
    return {
        "trials": len(trials),
        "p50_seconds": percentile(seconds, 50),
        "p95_seconds": percentile(seconds, 95),
        "missed": len(trials) - len(seconds),
        "repeated": sum(max(len(each.mail) - 1, 0) + max(len(each.slack) - 1, 0) for each in trials),
        "stages": {
            name: {
                "p50_seconds": percentile([each[name] for each in told], 50),
                "p95_seconds": percentile([each[name] for each in told], 95),
            }
            for name in STAGES
        },
    }


def percentile(values: Sequence[float], percent: int) -> float | None:
    if len(values) < 2:
        return round(values[0], 2) if values else None
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 2)


def show(result: dict[str, Any]) -> None:
    table = Table("stage", "p50 (s)", "p95 (s)", title="Acknowledged by Kafka to")
    for name, each in result["stages"].items():
        table.add_row(name, str(each["p50_seconds"]), str(each["p95_seconds"]))
    table.add_row(
        "mail and Slack received", str(result["p50_seconds"]), str(result["p95_seconds"]), style="bold"
    )
    Console().print(table)
    print(
        f"{result['trials']} trials, {result['missed']} missed, {result['repeated']} repeated; {ASKED_SECONDS:.0f} s at p95 are asked"
    )


if __name__ == "__main__":
    sys.exit(main())
