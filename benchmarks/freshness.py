"""Measure how long after Kafka has acknowledged an event its KPI rows are committed, on the running stack.

    SHOPNOW_TRAFFIC=off ./shopnow up
    ./shopnow bench freshness --rate 500 --seconds 180

Sends payments at that rate, as a producer that Airflow does not know, and triggers nothing. Every event is
located by its offset: in the commit of raw whose receipt contains it, in the first commit of events made from
that version, and in the first commit of each KPI of payments made from it. At the same time the dashboard is
polled, whose figures contain payments before they are proved. Prints the stages; exits 1 if the 95th
percentile is over 25 s, or over 5 s for the provisional figure, or if an event is not in the KPIs ten minutes
after the last one was sent. The payments stay in the shop; nobody else may pay during the measurement.
"""

import argparse
import json
import time
import uuid
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import provisional_figures
import workbench
from confluent_kafka import Message, Producer
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
from shopnow.settings import Settings

RAW, EVENTS = f"raw/{workbench.TOPIC.name}", f"events/{workbench.TOPIC.name}"
MAX_SECONDS, MAX_PROVISIONAL_SECONDS = 25.0, 5.0
CURRENCY = "EUR"
TIMEOUT_SECONDS = 600
STAGES = ("landed", "in events", "in KPIs")

Acknowledged = dict[tuple[int, int], float]
"""The time of Kafka's acknowledgement in Unix seconds, by partition and offset."""


class Commit(NamedTuple):
    """A commit: its time in Unix seconds, source versions, and offsets [start, end) landed by partition."""

    version: int
    at: float
    source_versions: dict[str, int]
    landed: dict[int, tuple[int, int]]


def main() -> int:
    options = arguments()
    console = Console(stderr=True)
    settings = Settings.load()
    active = connections.load(settings)
    lake, start = connections.lake_uri(active), datetime.now(UTC)
    with (
        provisional_figures.watched_card(settings, CURRENCY) as card,
        console.status("sending payments") as status,
    ):
        acknowledged = send(connections.kafka_conf(active), options.rate, options.seconds)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        durations = stage_durations(lake, acknowledged, start)
        while len(durations) < len(acknowledged) and time.monotonic() < deadline:
            status.update(f"{len(durations):,} of {len(acknowledged):,} payments are in the KPIs")
            time.sleep(5)
            durations = stage_durations(lake, acknowledged, start)
    if not durations:
        raise UserError(
            "no payment reached the KPIs: see the runs of land_events and compute_kpis in Airflow"
        )
    *stages, total = zip(*durations, strict=True)
    shown = card.delays(acknowledged.values())
    if len(shown) < len(acknowledged):
        raise UserError(
            f"the dashboard never showed {len(acknowledged) - len(shown):,} of the payments: see the "
            "log of the API server"
        )
    result: dict[str, Any] = {
        "trials": len(durations),
        "missing": len(acknowledged) - len(durations),
        **summary(total),
        "provisional_p50_seconds": summary(shown)["p50_seconds"],
        "provisional_p95_seconds": summary(shown)["p95_seconds"],
        "provisional_falls": card.falls,
        "stages": {name: summary(seconds) for name, seconds in zip(STAGES, stages, strict=True)},
    }
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print_summary(result, options.rate)
    is_fast = (
        result["p95_seconds"] <= MAX_SECONDS and result["provisional_p95_seconds"] <= MAX_PROVISIONAL_SECONDS
    )
    return 0 if is_fast and not result["missing"] else 1


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("--rate", type=int, default=500, help="events per second")
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def summary(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "p50_seconds": round(workbench.percentile(seconds, 50), 1),
        "p95_seconds": round(workbench.percentile(seconds, 95), 1),
        "max_seconds": round(max(seconds), 1),
    }


def print_summary(result: dict[str, Any], rate: int) -> None:
    table = Table("seconds until", "median", "95th percentile", "most")
    for stage, seconds in {**result["stages"], "all of it": result}.items():
        table.add_row(stage, *(str(seconds[f"{name}_seconds"]) for name in ("p50", "p95", "max")))
    workbench.show(table)
    print(
        f"{result['trials']:,} payments at {rate} a second, {result['missing']} missing; p95 "
        f"{result['p95_seconds']} s, at most {MAX_SECONDS:.0f} s required"
    )
    print(
        f"provisional figure of the dashboard: {result['provisional_p50_seconds']} s at the median, p95 "
        f"{result['provisional_p95_seconds']} s, at most {MAX_PROVISIONAL_SECONDS:.0f} s required; it fell "
        f"{result['provisional_falls']} times"
    )


def send(conf: dict[str, str], rate: int, seconds: int) -> Acknowledged:
    """Send payments at the rate; returns when each was acknowledged."""
    acknowledged: Acknowledged = {}

    def record(error: object, message: Message) -> None:
        if error is None:
            acknowledged[message.partition(), message.offset()] = time.time()

    producer = Producer({**conf, "enable.idempotence": True, "linger.ms": 5})
    start = time.monotonic()
    for number, event in enumerate(payments(rate * seconds)):
        producer.produce(workbench.TOPIC.name, events.encode(event), events.key(event), on_delivery=record)
        while (ahead := number / rate - (time.monotonic() - start)) > 0:
            producer.poll(ahead)
    producer.flush()
    return acknowledged


def payments(count: int) -> Iterator[events.PaymentSucceeded]:
    """Payments with the current event time, for orders that do not exist."""
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
            currency=CURRENCY,
            attempt=1,
        )


def stage_durations(lake: str, acknowledged: Acknowledged, since: datetime) -> list[tuple[float, ...]]:
    """The seconds of each stage and of all stages, for every event that is in all KPIs."""
    raw, events_commits = list_commits(lake, RAW, since), list_commits(lake, EVENTS, since)
    kpi_commits = [list_commits(lake, kpi.name, since) for kpi in KPIS if workbench.TOPIC.name in kpi.topics]
    # A young shop has no anomalies: KPIs that no payment has changed so far are not waited for.
    kpi_commits = list(filter(None, kpi_commits))
    landings = {
        partition: [commit for commit in raw if partition in commit.landed] for partition, _ in acknowledged
    }
    starts = {
        partition: [commit.landed[partition][0] for commit in commits]
        for partition, commits in landings.items()
    }
    derived = {commit.version: derived_at(commit.version, events_commits, kpi_commits) for commit in raw}
    durations: list[tuple[float, ...]] = []
    for (partition, offset), acknowledged_at in acknowledged.items():
        index = bisect_right(starts[partition], offset) - 1
        if index < 0 or offset >= landings[partition][index].landed[partition][1]:
            continue
        landed = landings[partition][index]
        if times := derived[landed.version]:
            events_at, kpis_at = times
            durations.append(
                (
                    landed.at - acknowledged_at,
                    events_at - landed.at,
                    kpis_at - events_at,
                    kpis_at - acknowledged_at,
                )
            )
    return durations


def derived_at(
    version: int, events_commits: list[Commit], kpi_commits: list[list[Commit]]
) -> tuple[float, float] | None:
    """When a version of raw was in the events table, and when in all KPIs; None if it is not there yet."""
    events_at = first_at(version, events_commits)
    ends = [first_at(version, commits) for commits in kpi_commits]
    if events_at is None or None in ends or not ends:
        return None
    return events_at, max(end for end in ends if end is not None)


def first_at(version: int, commits: list[Commit]) -> float | None:
    """The time of the first commit that was made from at least this version of raw."""
    return next((commit.at for commit in commits if commit.source_versions.get(RAW, -1) >= version), None)


def list_commits(lake: str, name: str, since: datetime) -> list[Commit]:
    """The table's commits since that time, oldest first."""
    table = LakeTable(lake, name)
    try:
        version = table.version()
    except TableNotFoundError:
        return []
    commits = []
    for number, actions in table.commits(version, max(version - 200, 0)):
        info = log.info(actions)
        if info.get("timestamp", 0) / 1000 >= since.timestamp():
            commits.append(
                Commit(number, info["timestamp"] / 1000, source_versions(info), landed_offsets(info))
            )
    return commits


def source_versions(info: dict[str, Any]) -> dict[str, int]:
    """The version of each source table in a commit's metadata."""
    sources = json.loads(info.get("userMetadata") or "{}").get("sources", {})
    return {name: source["version"] for name, source in sources.items()}


def landed_offsets(info: dict[str, Any]) -> dict[int, tuple[int, int]]:
    """The offsets [start, end) by partition in a commit's receipts."""
    parts = json.loads(info.get(RECEIPTS.key) or "{}").get("partitions", [])
    return {part["partition"]: (part["start_offset"], part["end_offset"]) for part in parts}


if __name__ == "__main__":
    workbench.run(main)
