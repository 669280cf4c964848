"""Metrics of the pipeline, read on demand from Kafka, the lake and Airflow."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pyarrow as pa
from confluent_kafka import KafkaException
from deltalake.exceptions import DeltaError
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from shopnow.alerts import status
from shopnow.errors import UserError
from shopnow.kpis import KPIS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import lag
from shopnow.lake.ingest.receipts import RECEIPTS
from shopnow.local_stack import airflow_api

Sources = Mapping[str, Callable[[], Iterable[Metric]]]
"""Functions that read the metrics of a service, by the service's name."""


def topic_metrics(positions: Iterable[lag.Position]) -> Iterator[Metric]:
    """Yield the lag of each topic and its records held back, summed over its partitions."""
    lags: Counter[str] = Counter()
    held_back: Counter[str] = Counter()
    for position in positions:
        lags[position.topic] += position.lag
        held_back[position.topic] += position.held_back
    yield _gauge("shopnow_topic_lag", "Offsets in Kafka that the lake does not have yet.", "topic", lags)
    yield _gauge(
        "shopnow_topic_held_back",
        "Offsets in Kafka that cannot be read yet, because a producer has left a transaction open.",
        "topic",
        held_back,
    )


def receipt_metrics(receipts: pa.Table) -> Iterator[Metric]:
    """Yield the landing metrics of each topic.

    Args:
        receipts: the columns topic, rows, quarantined and committed_at of the table `receipts`.
    """
    topics = (
        receipts.group_by("topic")
        .aggregate([("rows", "sum"), ("quarantined", "sum"), ("committed_at", "max")])
        .to_pylist()
    )
    yield _counter(
        "shopnow_landed_records_total",
        "Records landed in the lake, according to the receipts.",
        "topic",
        {row["topic"]: row["rows_sum"] for row in topics},
    )
    yield _counter(
        "shopnow_quarantined_records_total",
        "Landed records that are not valid events.",
        "topic",
        {row["topic"]: row["quarantined_sum"] for row in topics},
    )
    yield _gauge(
        "shopnow_landed_timestamp_seconds",
        "Time of the topic's last landing.",
        "topic",
        {row["topic"]: row["committed_at_max"].timestamp() for row in topics},
    )


def lake_metrics(lake: str) -> Iterator[Metric]:
    """Yield the metrics of the lake's tables.

    Raises:
        OSError: the lake is unreachable.
    """
    if Table(lake, RECEIPTS.table).exists():
        columns = ["topic", "rows", "quarantined", "committed_at"]
        yield from receipt_metrics(tables.read(Table(lake, RECEIPTS.table).open(), columns))
    last_commits = {
        kpi.name: Table(lake, kpi.name).open().history(1)[0] for kpi in KPIS if Table(lake, kpi.name).exists()
    }
    yield _gauge(
        "shopnow_kpi_timestamp_seconds",
        "Time of the KPI table's last commit.",
        "table",
        # Delta's commit timestamps are in milliseconds.
        {name: commit["timestamp"] / 1000 for name, commit in last_commits.items()},
    )
    overview = status.overview(lake, datetime.now(UTC))
    states = {"firing": 0, "acknowledged": 0, **Counter(alert["state"] for alert in overview.alerts)}
    yield _gauge("shopnow_alerts", "Alerts by state.", "state", states)
    yield GaugeMetricFamily(
        "shopnow_messages_waiting",
        "Alert messages that are not confirmed as sent.",
        value=len(overview.messages),
    )


def dag_run_metrics(
    last_runs: Mapping[str, Mapping[str, Any]], active_dags: Iterable[str]
) -> Iterator[Metric]:
    """Yield the metrics of DAG runs.

    Args:
        last_runs: the last finished run of each DAG, with state, duration in seconds and end_date.
        active_dags: the DAG of each queued or running run.
    """
    yield _gauge(
        "shopnow_dag_run_duration_seconds",
        "Duration of the DAG's last finished run.",
        "dag",
        # A run that failed before it started has no duration.
        {dag: run["duration"] for dag, run in last_runs.items() if run["duration"] is not None},
    )
    yield _gauge(
        "shopnow_dag_run_failed",
        "1 if the DAG's last finished run failed.",
        "dag",
        {dag: run["state"] == "failed" for dag, run in last_runs.items()},
    )
    yield _gauge(
        "shopnow_dag_run_end_timestamp_seconds",
        "End time of the DAG's last finished run.",
        "dag",
        {dag: datetime.fromisoformat(run["end_date"]).timestamp() for dag, run in last_runs.items()},
    )
    active = {**dict.fromkeys(last_runs, 0), **Counter(active_dags)}
    yield _gauge("shopnow_dag_runs_active", "Runs of the DAG that are queued or running.", "dag", active)


def airflow_metrics(api: httpx.Client) -> Iterator[Metric]:
    """Yield the metrics of Airflow's DAG runs.

    Raises:
        httpx.HTTPError: Airflow is unreachable or rejects a request.
    """
    runs = {
        dag["dag_id"]: airflow_api.last_finished_run(api, dag["dag_id"]) for dag in airflow_api.list_dags(api)
    }
    last_runs = {dag: run for dag, run in runs.items() if run and run["end_date"]}
    yield from dag_run_metrics(last_runs, [run["dag_id"] for run in airflow_api.list_active_runs(api)])


def collect(sources: Sources) -> list[Metric]:
    """Read the metrics of all sources; a source that fails is left out and has `shopnow_up` 0."""
    metrics: list[Metric] = []
    up = {}
    for name, read in sources.items():
        try:
            metrics += list(read())
            up[name] = 1
        except (UserError, OSError, KafkaException, DeltaError, httpx.HTTPError):
            up[name] = 0
    documentation = "1 if the service that metrics are read from answers."
    return [_gauge("shopnow_up", documentation, "service", up), *metrics]


def _gauge(name: str, documentation: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """Build a gauge from its values by the value of its label."""
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for label_value, value in sorted(values.items()):
        family.add_metric([label_value], value)
    return family


def _counter(name: str, documentation: str, label: str, values: Mapping[str, float]) -> CounterMetricFamily:
    """Build a counter from its values by the value of its label."""
    family = CounterMetricFamily(name, documentation, labels=[label])
    for label_value, value in sorted(values.items()):
        family.add_metric([label_value], value)
    return family
