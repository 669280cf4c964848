"""Measure the time from a stock-out acknowledged by Kafka to its mail and Slack message, on a running stack.

    ./shopnow up && ./shopnow bench alerts
    ./shopnow bench alerts --trials 10 --json

Each trial sells out a new product and waits until both servers have received its message. The time is split
into stages: acknowledged by Kafka → woken (asset event stored) → task started → evaluated (alert committed) →
mail and Slack received. `land_events` and `compute_kpis` run back to back all the time. In the end the
products are put back in stock, which ends their restock proposals. Exits 1 if an alert is missed or repeated,
or if the 95th percentile is over 10 s.
"""

import argparse
import json
import random
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from itertools import pairwise
from typing import Any, NamedTuple

import httpx
import workbench
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from shopnow.errors import UserError
from shopnow.events import SCHEMA_VERSION, Stock, StockAdjusted, StockSold, encode, key
from shopnow.ids import uuid7
from shopnow.lake.delta.tables import Table as LakeTable
from shopnow.local_stack import airflow_api
from shopnow.settings import Settings

MAX_SECONDS = 10.0
TIMEOUT_SECONDS = 120.0
STAGES = ("woken", "started", "evaluated", "mail", "slack")


class Trial(NamedTuple):
    """A stock-out: when Kafka acknowledged it, and when each server received messages about it."""

    product: str
    acknowledged: datetime
    mail: list[datetime]
    slack: list[datetime]

    def updated(self, settings: Settings) -> "Trial":
        """The trial with the messages received until now."""
        mail, slack = received(settings, self.product)
        return self._replace(mail=mail, slack=slack)

    @property
    def seconds(self) -> float | None:
        """Seconds until both servers had a message; None if one did not arrive."""
        if not (self.mail and self.slack):
            return None
        return (max(self.mail[0], self.slack[0]) - self.acknowledged).total_seconds()


def main() -> int:
    options = arguments()
    settings = Settings.load()
    console = Console(stderr=True)
    with airflow_api.connect(settings) as api, busy_pipeline(api):
        trials = []
        for number in range(options.trials):
            with console.status(f"trial {number + 1} of {options.trials}"):
                trials.append(run_trial(settings))
                time.sleep(random.uniform(0.5, 3))
        # Again, as repeated messages may have arrived after a trial ended.
        trials = [trial.updated(settings) for trial in trials]
        stages = [stage_seconds(settings, api, trial) for trial in trials]
        put_back(settings, [trial.product for trial in trials])
    result = summarize(trials, stages)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print_summary(result)
    p95 = result["p95_seconds"]
    is_fast = p95 is not None and p95 <= MAX_SECONDS
    return 0 if is_fast and not result["missed"] and not result["repeated"] else 1


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def run_trial(settings: Settings) -> Trial:
    """Sell out a new product and wait for its messages."""
    product = f"bench-{uuid.uuid4().hex[:12]}"
    sold = StockSold(**common_fields(product), quantity_change=-1, quantity_after=0, order_id="bench")
    trial = Trial(product, send(settings, [sold]), [], [])
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while trial.seconds is None and time.monotonic() < deadline:
        time.sleep(0.1)
        trial = trial.updated(settings)
    return trial


def common_fields(product: str) -> dict[str, Any]:
    """The fields of every stock event."""
    return {
        "event_id": uuid7(time.time_ns() // 1_000_000, uuid.uuid4().hex),
        "event_time": datetime.now(UTC),
        "schema_version": SCHEMA_VERSION,
        "product_id": product,
        "product_name": product,
    }


def send(settings: Settings, events: Sequence[Stock]) -> datetime:
    """Send the events; returns the time at which Kafka had acknowledged all of them."""
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "enable.idempotence": True})
    for event in events:
        producer.produce("stock", encode(event), key(event))
    if producer.flush(30):
        raise UserError(f"no answer from Kafka at {settings.bootstrap_servers}: run ./shopnow up")
    return datetime.now(UTC)


def received(settings: Settings, product: str) -> tuple[list[datetime], list[datetime]]:
    """The times at which the mail and the Slack server received messages about the product, in order."""
    mails = [file.read_bytes() for file in (settings.data_dir / "smtp").glob("*.eml")]
    mail = [message_from_bytes(data)["X-Received-At"] for data in mails if product.encode() in data]
    messages = settings.data_dir / "slack" / "messages.jsonl"
    lines = messages.read_text().splitlines() if messages.exists() else []
    slack = [json.loads(line)["received_at"] for line in lines if product in line]
    return sorted(map(datetime.fromisoformat, mail)), sorted(map(datetime.fromisoformat, slack))


@contextmanager
def busy_pipeline(api: httpx.Client) -> Iterator[None]:
    """Keep `land_events` and `compute_kpis` running back to back."""
    stop = threading.Event()

    def trigger_when_idle() -> None:
        while not stop.wait(2):
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

    thread = threading.Thread(target=trigger_when_idle, name="busy-pipeline")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def stage_seconds(settings: Settings, api: httpx.Client, trial: Trial) -> dict[str, float] | None:
    """Seconds from each stage to the next; None for a missed trial or if Airflow has no record of it."""
    if trial.seconds is None:
        return None
    query = {
        "timestamp_gte": trial.acknowledged.isoformat(),
        "order_by": "timestamp",
        "limit": "100",
        "name_pattern": "stock",
    }
    events = api.get("/assets/events", params=query).raise_for_status().json()["asset_events"]
    woken = next(
        (event for event in events if trial.product in event["extra"].get("payload", {}).get("products", [])),
        None,
    )
    # A run that another event woke may have sent the alert first.
    runs = airflow_api.list_runs(api, "watch_stock", trial.acknowledged - timedelta(minutes=2))
    starts = [
        datetime.fromisoformat(task["start_date"])
        for run in runs
        for task in api.get(f"/dags/watch_stock/dagRuns/{run['dag_run_id']}/taskInstances")
        .raise_for_status()
        .json()["task_instances"]
        if task["start_date"] and datetime.fromisoformat(task["start_date"]) < trial.mail[0]
    ]
    if woken is None or not starts:
        return None
    started = max(starts)
    commits = [
        datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
        for commit in LakeTable(settings.lake_uri, "alerts").open().history(2000)
    ]
    evaluated = min((commit for commit in commits if started <= commit <= trial.mail[0]), default=started)
    woken_at = datetime.fromisoformat(woken["timestamp"])
    times = [trial.acknowledged, woken_at, started, evaluated, trial.mail[0], trial.slack[0]]
    seconds = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    seconds[-1] = (trial.slack[0] - evaluated).total_seconds()  # mail and Slack are sent concurrently
    return dict(zip(STAGES, seconds, strict=True))


def put_back(settings: Settings, products: Sequence[str]) -> None:
    """Put the products back in stock, which ends their alerts and the proposals to restock them."""
    adjustments = [
        StockAdjusted(**common_fields(product), quantity_change=1000, quantity_after=1000, reason="benchmark")
        for product in products
    ]
    send(settings, adjustments)


def summarize(trials: Sequence[Trial], stages: Sequence[dict[str, float] | None]) -> dict[str, Any]:
    """The result as `--json` prints it."""
    seconds = [trial.seconds for trial in trials if trial.seconds is not None]
    complete = [stage for stage in stages if stage is not None]
    return {
        "trials": len(trials),
        "p50_seconds": percentile(seconds, 50),
        "p95_seconds": percentile(seconds, 95),
        "missed": len(trials) - len(seconds),
        "repeated": sum(max(len(trial.mail) - 1, 0) + max(len(trial.slack) - 1, 0) for trial in trials),
        "stages": {
            name: {
                "p50_seconds": percentile([stage[name] for stage in complete], 50),
                "p95_seconds": percentile([stage[name] for stage in complete], 95),
            }
            for name in STAGES
        },
    }


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The percentile in hundredths of a second; None without values."""
    return round(workbench.percentile(values, percent), 2) if values else None


def print_summary(result: dict[str, Any]) -> None:
    table = Table("stage", "p50 (s)", "p95 (s)", title="Acknowledged by Kafka to")
    for name, stage in result["stages"].items():
        table.add_row(name, str(stage["p50_seconds"]), str(stage["p95_seconds"]))
    table.add_row(
        "mail and Slack received", str(result["p50_seconds"]), str(result["p95_seconds"]), style="bold"
    )
    workbench.show(table)
    print(
        f"{result['trials']} trials, {result['missed']} missed, {result['repeated']} repeated; "
        f"at most {MAX_SECONDS:.0f} s at p95 required"
    )


if __name__ == "__main__":
    workbench.run(main)
