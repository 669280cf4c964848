"""What Prometheus reads of the pipeline at `GET /metrics`: `python -m shopnow.cluster.metrics HOST PORT`.

Everything is taken from Kafka and the lake when it is asked for, so it is right whatever was restarted; at most every
`KEPT_SECONDS`. Where one of the two does not answer, its metrics are left out, and `shopnow_up` says so.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import NamedTuple

import pyarrow as pa
from confluent_kafka import KafkaException
from deltalake.exceptions import DeltaError

from shopnow import connections
from shopnow.alerts import overview
from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.kpis import KPIS
from shopnow.lake import lag, tables
from shopnow.lake.receipts import RECEIPTS
from shopnow.settings import Settings

KEPT_SECONDS = 15.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    name: str
    kind: str
    about: str
    values: Mapping[str, float]
    """By the value of its label."""
    label: str = ""


def of_topics(positions: Iterable[lag.Position]) -> Iterator[Metric]:
    behind: dict[str, float] = {}
    for each in positions:
        behind[each.topic] = behind.get(each.topic, 0) + each.lag
    yield Metric("shopnow_topic_lag", "gauge", "Offsets in Kafka that the lake does not have yet.", behind, "topic")


def of_receipts(receipts: pa.Table) -> Iterator[Metric]:
    """From rows of the table `receipts`: topic, rows, quarantined, committed_at."""
    by_topic = receipts.group_by("topic").aggregate([("rows", "sum"), ("quarantined", "sum"), ("committed_at", "max")]).to_pylist()

    def values(column: str) -> dict[str, float]:
        return {row["topic"]: row[column] for row in by_topic}

    landed_at = {row["topic"]: row["committed_at_max"].timestamp() for row in by_topic}
    yield Metric(
        "shopnow_landed_records_total", "counter", "Records landed in the lake, as far as receipts tell.", values("rows_sum"), "topic"
    )
    yield Metric(
        "shopnow_quarantined_records_total", "counter", "Those of them that were no valid events.", values("quarantined_sum"), "topic"
    )
    yield Metric("shopnow_landed_timestamp_seconds", "gauge", "When the lake last took something of the topic.", landed_at, "topic")


def of_lake(lake: str) -> Iterator[Metric]:
    """Those of the lake's tables.

    Raises:
        OSError: the lake does not answer.
    """
    if tables.exists(lake, RECEIPTS.table):
        columns = ["topic", "rows", "quarantined", "committed_at"]
        yield from of_receipts(tables.read(tables.open_table(lake, RECEIPTS.table), columns))
    made = {kpi.name: tables.open_table(lake, kpi.name).history(1)[0] for kpi in KPIS if tables.exists(lake, kpi.name)}
    computed = {name: commit["timestamp"] / 1000 for name, commit in made.items()}
    yield Metric("shopnow_kpi_timestamp_seconds", "gauge", "When the KPI table last changed.", computed, "table")
    standing = overview.overview(lake, datetime.now(UTC))
    states = dict.fromkeys(("firing", "acknowledged"), 0.0)
    for alert in standing.alerts:
        states[alert["state"]] = states.get(alert["state"], 0) + 1
    yield Metric("shopnow_alerts", "gauge", "Alerts by state.", states, "state")
    yield Metric("shopnow_messages_waiting", "gauge", "Messages about alerts that are not out.", {"": len(standing.messages)})


def gather(conf: Conf, lake: str) -> list[Metric]:
    """All metrics that are to be had."""
    found: list[Metric] = []
    up = {}
    for name, read in (("kafka", lambda: of_topics(lag.positions(conf, lake))), ("lake", lambda: of_lake(lake))):
        try:
            found += read()
            up[name] = 1.0
        except (UserError, OSError, KafkaException, DeltaError):
            up[name] = 0.0
    return [Metric("shopnow_up", "gauge", "Whether what the other metrics are made from answers.", up, "service"), *found]


def text(metrics: Iterable[Metric]) -> str:
    """Metrics as Prometheus reads them."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.about}", f"# TYPE {metric.name} {metric.kind}"]
        for value, number in sorted(metric.values.items()):
            labels = f'{{{metric.label}="{value}"}}' if metric.label else ""
            lines.append(f"{metric.name}{labels} {float(number)!r}")
    return "\n".join(lines) + "\n"


class _Kept:
    """The last answer, made anew when it is old."""

    def __init__(self, conf: Conf, lake: str) -> None:
        self._conf, self._lake = conf, lake
        self._lock = Lock()
        self._made = float("-inf")
        self._text = ""

    def get(self) -> str:
        with self._lock:
            if time.monotonic() - self._made > KEPT_SECONDS:
                self._text = text(gather(self._conf, self._lake))
                self._made = time.monotonic()
            return self._text


class _Handler(BaseHTTPRequestHandler):
    kept: _Kept

    def do_GET(self) -> None:
        if self.path != "/metrics":
            self.send_error(404)
            return
        answer = self.kept.get().encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: it is asked every few seconds."""


def main(host: str, port: int) -> None:
    in_force = connections.load(Settings.load())
    kept = _Kept(connections.kafka(in_force), connections.lake(in_force))
    ThreadingHTTPServer((host, port), type("Handler", (_Handler,), {"kept": kept})).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
