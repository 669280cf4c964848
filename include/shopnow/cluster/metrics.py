"""What is measured of the pipeline, for Prometheus: from Kafka, the lake and Airflow as they stand."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx
import pyarrow as pa
from confluent_kafka import KafkaException
from deltalake.exceptions import DeltaError

from shopnow.alerts import status
from shopnow.errors import UserError
from shopnow.kpis import KPIS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import lag
from shopnow.lake.ingest.receipts import RECEIPTS
from shopnow.local_stack import airflow_api


class Metric(NamedTuple):
    name: str
    kind: str
    about: str
    values: Mapping[str, float]
    """By the value of its label."""
    label: str = ""


def topic_metrics(positions: Iterable[lag.Position]) -> Iterator[Metric]:
    behind: dict[str, float] = {}
    for each in positions:
        behind[each.topic] = behind.get(each.topic, 0) + each.lag
    yield Metric(
        "shopnow_topic_lag", "gauge", "Offsets in Kafka that the lake does not have yet.", behind, "topic"
    )


def receipt_metrics(receipts: pa.Table) -> Iterator[Metric]:
    """From rows of the table `receipts`: topic, rows, quarantined, committed_at."""
    by_topic = (
        receipts.group_by("topic")
        .aggregate([("rows", "sum"), ("quarantined", "sum"), ("committed_at", "max")])
        .to_pylist()
    )

    def values(column: str) -> dict[str, float]:
        return {row["topic"]: row[column] for row in by_topic}

    landed_at = {row["topic"]: row["committed_at_max"].timestamp() for row in by_topic}
    yield Metric(
        "shopnow_landed_records_total",
        "counter",
        "Records landed in the lake, as far as receipts tell.",
        values("rows_sum"),
        "topic",
    )
    yield Metric(
        "shopnow_quarantined_records_total",
        "counter",
        "Those of them that were no valid events.",
        values("quarantined_sum"),
        "topic",
    )
    yield Metric(
        "shopnow_landed_timestamp_seconds",
        "gauge",
        "When the lake last took something of the topic.",
        landed_at,
        "topic",
    )


def lake_metrics(lake: str) -> Iterator[Metric]:
    """Those of the lake's tables.

    Raises:
        OSError: the lake does not answer.
    """
    if Table(lake, RECEIPTS.table).exists():
        columns = ["topic", "rows", "quarantined", "committed_at"]
        yield from receipt_metrics(tables.read(Table(lake, RECEIPTS.table).open(), columns))
    made = {
        kpi.name: Table(lake, kpi.name).open().history(1)[0] for kpi in KPIS if Table(lake, kpi.name).exists()
    }
    computed = {name: commit["timestamp"] / 1000 for name, commit in made.items()}
    yield Metric(
        "shopnow_kpi_timestamp_seconds", "gauge", "When the KPI table last changed.", computed, "table"
    )
    standing = status.overview(lake, datetime.now(UTC))
    states = dict.fromkeys(("firing", "acknowledged"), 0.0)
    for alert in standing.alerts:
        states[alert["state"]] = states.get(alert["state"], 0) + 1
    yield Metric("shopnow_alerts", "gauge", "Alerts by state.", states, "state")
    yield Metric(
        "shopnow_messages_waiting",
        "gauge",
        "Messages about alerts that are not out.",
        {"": len(standing.messages)},
    )


def dag_run_metrics(ended: Mapping[str, Mapping[str, Any]], active: Iterable[str]) -> Iterator[Metric]:
    """From the run of each DAG that ended last (state, duration in seconds, end_date), and the DAG of each run that has not."""
    # A run may be given up before it starts.
    durations = {dag: float(run["duration"]) for dag, run in ended.items() if run["duration"] is not None}
    failed = {dag: float(run["state"] == "failed") for dag, run in ended.items()}
    ended_at = {dag: datetime.fromisoformat(run["end_date"]).timestamp() for dag, run in ended.items()}
    going_on = {**dict.fromkeys(ended, 0.0), **Counter(active)}
    yield Metric(
        "shopnow_dag_run_duration_seconds",
        "gauge",
        "How long the DAG's last run took, of those that ended.",
        durations,
        "dag",
    )
    yield Metric("shopnow_dag_run_failed", "gauge", "Whether it failed.", failed, "dag")
    yield Metric("shopnow_dag_run_end_timestamp_seconds", "gauge", "When it ended.", ended_at, "dag")
    yield Metric(
        "shopnow_dag_runs_active", "gauge", "Runs of the DAG that are queued or running.", going_on, "dag"
    )


def airflow_metrics(api: httpx.Client) -> Iterator[Metric]:
    """Those of its DAG runs.

    Raises:
        httpx.HTTPError: Airflow does not answer, or refuses.
    """
    last = {dag["dag_id"]: airflow_api.last_ended(api, dag["dag_id"]) for dag in airflow_api.dags(api)}
    ended = {dag: run for dag, run in last.items() if run and run["end_date"]}
    yield from dag_run_metrics(ended, [run["dag_id"] for run in airflow_api.active(api)])


def gather(sources: Mapping[str, Callable[[], Iterable[Metric]]]) -> list[Metric]:
    """All metrics that are to be had, from sources by name; those of one that does not answer are left out, and `shopnow_up` says so."""
    found: list[Metric] = []
    up = {}
    for name, read in sources.items():
        try:
            found += list(read())
            up[name] = 1.0
        except (UserError, OSError, KafkaException, DeltaError, httpx.HTTPError):
            up[name] = 0.0
    return [
        Metric("shopnow_up", "gauge", "Whether what the other metrics are made from answers.", up, "service"),
        *found,
    ]
