"""How long after Kafka has acknowledged an event its KPI rows are committed, with Airflow's whole path in it.

    SHOPNOW_TRAFFIC=off ./shopnow up
    python benchmarks/freshness.py --rate 500 --seconds 300

Sends payments to the running stack at that rate. As after traffic, `land_events` is woken whenever it has none to do, and wakes what
follows. Every event is found again by its offset: in the commit of raw whose receipt holds it, the first of events made
from that, and the first of each KPI of payments made from that. Prints the stages; exits 1 if the 95th percentile is
more than 60 s, or an event is not in the KPIs ten minutes after the last. The payments stay in the shop.
"""

import argparse
import json
import sys
import threading
import time
import uuid
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

import httpx
import workbench
from confluent_kafka import KafkaException, Message, Producer
from deltalake.exceptions import TableNotFoundError
from rich.console import Console
from rich.table import Table

from shopnow import connections, events
from shopnow.errors import UserError
from shopnow.ids import uuid7
from shopnow.kpis import KPIS
from shopnow.lake.delta import log
from shopnow.lake.delta.tables import Table as LakeTable
from shopnow.lake.ingest.receipts import RECEIPTS
from shopnow.local_stack import airflow_api
from shopnow.settings import Settings

RAW, EVENTS = f"raw/{workbench.TOPIC.name}", f"events/{workbench.TOPIC.name}"
MOST_SECONDS = 60.0
PATIENCE_SECONDS = 600
BUSY = {"queued", "running"}
STAGES = ("landed", "events", "KPIs", "all of it")

Acknowledged = dict[tuple[int, int], float]
"""When Kafka acknowledged an event, Unix seconds, by partition and offset."""


class Commit(NamedTuple):
    """A commit: its time, Unix seconds, the versions it was made from, and the offsets [start, end) it landed, by partition."""

    version: int
    at: float
    made_from: dict[str, int]
    landed: dict[int, tuple[int, int]]


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    try:
        settings = Settings.load()
        in_force = connections.load(settings)
        lake, began = connections.lake_uri(in_force), datetime.now(UTC)
        done = threading.Event()
        with airflow_api.connect(settings) as api, console.status("sending payments") as status:
            waker = threading.Thread(target=wake, args=(api, done))
            waker.start()
            try:
                acknowledged = send(connections.kafka_conf(in_force), options.rate, options.seconds)
                deadline = time.monotonic() + PATIENCE_SECONDS
                found = follow(lake, acknowledged, began)
                while len(found) < len(acknowledged) and time.monotonic() < deadline:
                    status.update(f"{len(found):,} of {len(acknowledged):,} payments are in the KPIs")
                    time.sleep(5)
                    found = follow(lake, acknowledged, began)
            finally:
                done.set()
                waker.join()
    except (UserError, KafkaException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    if len(found) < 2:
        print("no payment came to the KPIs: see the runs of land_events and compute_kpis in Airflow")
        return 1
    table = Table("seconds until", "median", "95th percentile", "most")
    for stage, seconds in zip(STAGES, zip(*found, strict=True), strict=True):
        table.add_row(
            stage,
            *(f"{figure:.1f}" for figure in (percentile(seconds, 50), percentile(seconds, 95), max(seconds))),
        )
    Console().print(table)
    p95 = percentile([each[-1] for each in found], 95)
    print(
        f"{len(found):,} of {len(acknowledged):,} payments at {options.rate} a second; p95 {p95:.1f} s, {MOST_SECONDS:.0f} are asked"
    )
    return 0 if len(found) == len(acknowledged) and p95 <= MOST_SECONDS else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=500, help="events a second")
    parser.add_argument("--seconds", type=int, default=300)
    return parser.parse_args()


def send(conf: dict[str, str], rate: int, seconds: int) -> Acknowledged:
    """Sends payments at the rate; when each was acknowledged."""
    acknowledged: Acknowledged = {}

    def told(error: object, message: Message) -> None:
        if error is None:
            acknowledged[message.partition(), message.offset()] = time.time()

    producer = Producer({**conf, "enable.idempotence": True, "linger.ms": 5})
    start = time.monotonic()
    for number, event in enumerate(payments(rate * seconds)):
        producer.produce(workbench.TOPIC.name, events.encode(event), events.key(event), on_delivery=told)
        while (ahead := number / rate - (time.monotonic() - start)) > 0:
            producer.poll(ahead)
    producer.flush()
    return acknowledged


def payments(count: int) -> Iterator[events.PaymentSucceeded]:
    """Payments that happen now, of orders nobody knows."""
    for _ in range(count):
        now = datetime.now(UTC)
        yield events.PaymentSucceeded(
            event_id=uuid7(round(now.timestamp() * 1000), uuid.uuid4().hex),
            event_time=now,
            schema_version=events.SCHEMA_VERSION,
            payment_id=str(uuid.uuid4()),
            order_id=str(uuid.uuid4()),
            method="card",
            amount_cents=1000,
            currency="EUR",
            attempt=1,
        )


def wake(api: httpx.Client, done: threading.Event) -> None:
    """Has `land_events` run again as soon as it has ended."""
    run_id = ""
    while not done.wait(1):
        try:
            if (
                not run_id
                or api.get(f"/dags/land_events/dagRuns/{run_id}").raise_for_status().json()["state"]
                not in BUSY
            ):
                run_id = airflow_api.trigger(api, "land_events", {})
        except httpx.HTTPError:
            continue  # it is busy: again in a second


def follow(lake: str, acknowledged: Acknowledged, since: datetime) -> list[tuple[float, ...]]:
    """The seconds each event took for each stage and for all, of those that are in every KPI."""
    raw, made = commits(lake, RAW, since), commits(lake, EVENTS, since)
    # A young shop has no anomalies: what no payment so far has changed is not waited for.
    of_kpis = list(
        filter(None, (commits(lake, kpi.name, since) for kpi in KPIS if workbench.TOPIC.name in kpi.topics))
    )
    holding = {partition: [each for each in raw if partition in each.landed] for partition, _ in acknowledged}
    starts = {
        partition: [each.landed[partition][0] for each in commits] for partition, commits in holding.items()
    }
    times = {each.version: through(each.version, made, of_kpis) for each in raw}
    found: list[tuple[float, ...]] = []
    for (partition, offset), at in acknowledged.items():
        nth = bisect_right(starts[partition], offset) - 1
        if nth < 0 or offset >= holding[partition][nth].landed[partition][1]:
            continue
        landed = holding[partition][nth]
        if later := times[landed.version]:
            found.append((landed.at - at, later[0] - landed.at, later[1] - later[0], later[1] - at))
    return found


def through(version: int, made: list[Commit], of_kpis: list[list[Commit]]) -> tuple[float, float] | None:
    """When a version of raw was in the events, and when in all KPIs; None if it is not yet."""
    event = next((each for each in made if each.made_from.get(RAW, -1) >= version), None)
    if event is None:
        return None
    ends = [
        next((each.at for each in kpi if each.made_from.get(RAW, -1) >= version), None) for kpi in of_kpis
    ]
    return None if None in ends or not ends else (event.at, max(end for end in ends if end is not None))


def commits(lake: str, name: str, since: datetime) -> list[Commit]:
    """The table's commits since then, oldest first."""
    try:
        version = LakeTable(lake, name).version()
    except TableNotFoundError:
        return []
    found = []
    for number, actions in LakeTable(lake, name).commits(version, max(version - 200, 0)):
        info = log.info(actions)
        if info.get("timestamp", 0) / 1000 >= since.timestamp():
            found.append(Commit(number, info["timestamp"] / 1000, made_from(info), landed(info)))
    return found


def made_from(info: dict[str, Any]) -> dict[str, int]:
    sources = json.loads(info.get("userMetadata") or "{}").get("sources", {})
    return {name: source["version"] for name, source in sources.items()}


def landed(info: dict[str, Any]) -> dict[int, tuple[int, int]]:
    parts = json.loads(info.get(RECEIPTS.key) or "{}").get("partitions", [])
    return {part["partition"]: (part["start_offset"], part["end_offset"]) for part in parts}


def percentile(values: list[float] | tuple[float, ...], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


if __name__ == "__main__":
    sys.exit(main())
