"""Metrics of the pipeline and their exposition to Prometheus."""

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pyarrow as pa
import pytest
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from shopnow.cluster import exporter, metrics
from shopnow.errors import UserError
from shopnow.lake.ingest.lag import Position
from shopnow.local_stack import airflow_api
from support import raw_http


def exposition(*families: Metric) -> str:
    """Return the metrics in Prometheus' text format."""

    class Families:
        def collect(self):
            return families

    return generate_latest(Families()).decode()


def values(family: Metric) -> dict[str, float]:
    """Return a metric's values by the value of its label."""
    return {"".join(sample.labels.values()): sample.value for sample in family.samples}


def test_lag_and_records_held_back_are_summed_over_partitions():
    positions = [
        Position("orders", "id", 0, 0, 10, 4),
        Position("orders", "id", 1, 5, 9, None),
        Position("views", "id", 0, 0, 3, 3, held_back=28),
    ]
    assert exposition(*metrics.topic_metrics(positions)).splitlines() == [
        "# HELP shopnow_topic_lag Offsets in Kafka that the lake does not have yet.",
        "# TYPE shopnow_topic_lag gauge",
        'shopnow_topic_lag{topic="orders"} 10.0',
        'shopnow_topic_lag{topic="views"} 0.0',
        "# HELP shopnow_topic_held_back Offsets in Kafka that cannot be read yet, "
        "because a producer has left a transaction open.",
        "# TYPE shopnow_topic_held_back gauge",
        'shopnow_topic_held_back{topic="orders"} 0.0',
        'shopnow_topic_held_back{topic="views"} 28.0',
    ]


def test_landing_metrics_are_summed_from_receipts():
    first, last = (datetime(2026, 11, 26, hour, tzinfo=UTC) for hour in (1, 2))
    receipts = pa.table(
        {
            "topic": ["orders", "orders"],
            "rows": [7, 5],
            "quarantined": [1, 0],
            "committed_at": pa.array([last, first], pa.timestamp("us", "UTC")),
        }
    )
    landed, quarantined, landed_at = metrics.receipt_metrics(receipts)
    assert values(landed) == {"orders": 12}
    assert values(quarantined) == {"orders": 1}
    assert values(landed_at) == {"orders": last.timestamp()}


def test_counters_have_no_created_series():
    receipts = pa.table(
        {"topic": ["orders"], "rows": [7], "quarantined": [1], "committed_at": [datetime.now(UTC)]}
    )
    lines = exposition(*metrics.receipt_metrics(receipts)).splitlines()
    assert lines[:3] == [
        "# HELP shopnow_landed_records_total Records landed in the lake, according to the receipts.",
        "# TYPE shopnow_landed_records_total counter",
        'shopnow_landed_records_total{topic="orders"} 7.0',
    ]
    assert not [line for line in lines if "_created" in line]


def test_dag_metrics_are_those_of_the_last_finished_run():
    last_runs = {
        "land_events": {"state": "success", "duration": 12.5, "end_date": "2026-11-26T01:00:00Z"},
        "audit_lake": {"state": "failed", "duration": None, "end_date": "2026-11-26T02:00:00.250000+00:00"},
    }
    duration, failed, ended_at, active = metrics.dag_run_metrics(
        last_runs, ["land_events", "land_events", "receive_restock"]
    )
    assert values(duration) == {"land_events": 12.5}
    assert values(failed) == {"land_events": 0, "audit_lake": 1}
    assert values(ended_at)["audit_lake"] - values(ended_at)["land_events"] == 3600.25
    assert values(active) == {"land_events": 2, "audit_lake": 0, "receive_restock": 1}


def test_failing_source_is_down_and_left_out():
    def fail_halfway():
        yield GaugeMetricFamily("shopnow_topic_lag", "…", 1)
        raise UserError("Kafka does not answer")

    waiting = GaugeMetricFamily("shopnow_messages_waiting", "…", 2)
    text = exposition(*metrics.collect({"kafka": fail_halfway, "lake": lambda: [waiting]}))
    assert 'shopnow_up{service="kafka"} 0.0' in text
    assert 'shopnow_up{service="lake"} 1.0' in text
    assert "shopnow_messages_waiting 2.0" in text
    assert "shopnow_topic_lag" not in text


@pytest.fixture
def scrapes():
    """A running exporter of one source; its URL, and the list of the reads of the source."""
    reads = []

    def read_source():
        reads.append("lake")
        return [GaugeMetricFamily("shopnow_messages_waiting", "…", len(reads))]

    handler = exporter.Handler.factory(exporter.registry({"lake": read_source}))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}", reads
        server.shutdown()


def test_exporter_serves_only_metrics_of_the_pipeline(scrapes):
    url, _ = scrapes
    response = httpx.get(f"{url}/metrics").raise_for_status()
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    names = {line.split()[2] for line in response.text.splitlines() if line.startswith("# TYPE")}
    assert names == {"shopnow_up", "shopnow_messages_waiting"}


def test_exporter_caches_the_metrics(scrapes):
    url, reads = scrapes
    texts = {httpx.get(f"{url}/metrics").text for _ in range(3)}
    assert len(texts) == 1
    assert reads == ["lake"]


def test_exporter_is_healthy_without_reading_a_source(scrapes):
    url, reads = scrapes
    assert httpx.get(f"{url}/health").raise_for_status().text == ""
    assert httpx.get(f"{url}/other").status_code == 404
    port = int(url.rpartition(":")[2])
    assert raw_http.status(raw_http.exchange(port, b"GET http://[::1 HTTP/1.1\r\n\r\n")) == 404
    assert reads == []


@pytest.fixture
def airflow():
    """A stub of Airflow's REST API for the viewer; its URL."""
    runs = {
        "/api/v2/dags/land_events/dagRuns": [
            {"state": "success", "duration": 3.0, "end_date": "2026-11-26T01:00:00Z"}
        ],
        "/api/v2/dags/audit_lake/dagRuns": [],
        "/api/v2/dags/~/dagRuns": [{"dag_id": "audit_lake"}],
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            login = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_valid = self.path == "/auth/token" and login == {"username": "viewer", "password": "right"}
            self.respond(201 if is_valid else 401, {"access_token": "token"} if is_valid else {})

        def do_GET(self):
            path = self.path.partition("?")[0]
            assert self.headers["Authorization"] == "Bearer token"
            dags = [{"dag_id": "land_events"}, {"dag_id": "audit_lake"}]
            self.respond(200, {"dags": dags} if path == "/api/v2/dags" else {"dag_runs": runs[path]})

        def respond(self, status, body):
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_dag_runs_are_read_as_the_viewer(airflow):
    with airflow_api.log_in(airflow, "viewer", "right") as api:
        text = exposition(*metrics.airflow_metrics(api))
    assert 'shopnow_dag_run_duration_seconds{dag="land_events"} 3.0' in text
    assert 'shopnow_dag_runs_active{dag="audit_lake"} 1.0' in text


def test_airflow_that_rejects_the_login_is_down(airflow):
    def fail_to_log_in():
        with airflow_api.log_in(airflow, "viewer", "wrong") as api:
            yield from metrics.airflow_metrics(api)

    [up] = metrics.collect({"airflow": fail_to_log_in})
    assert values(up) == {"airflow": 0}
