"""What is measured, and how Prometheus reads it."""

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pyarrow as pa
import pytest

from shopnow.cluster import exporter, metrics
from shopnow.errors import UserError
from shopnow.lake.ingest.lag import Position
from shopnow.local_stack import airflow_api


def test_lag_is_summed_over_partitions():
    positions = [
        Position("orders", "id", 0, 0, 10, 4),
        Position("orders", "id", 1, 5, 9, None),
        Position("views", "id", 0, 0, 3, 3),
    ]
    assert exporter.text(metrics.of_topics(positions)).splitlines() == [
        "# HELP shopnow_topic_lag Offsets in Kafka that the lake does not have yet.",
        "# TYPE shopnow_topic_lag gauge",
        'shopnow_topic_lag{topic="orders"} 10.0',
        'shopnow_topic_lag{topic="views"} 0.0',
    ]


def test_what_was_landed_is_what_the_receipts_say():
    first, last = (datetime(2026, 11, 26, hour, tzinfo=UTC) for hour in (1, 2))
    receipts = pa.table(
        {
            "topic": ["orders", "orders"],
            "rows": [7, 5],
            "quarantined": [1, 0],
            "committed_at": pa.array([last, first], pa.timestamp("us", "UTC")),
        }
    )
    landed, quarantined, at = metrics.of_receipts(receipts)
    assert landed.values == {"orders": 12}
    assert quarantined.values == {"orders": 1}
    assert at.values == {"orders": last.timestamp()}


def test_a_dag_has_the_figures_of_the_run_that_ended_last():
    ended = {
        "land_events": {"state": "success", "duration": 12.5, "end_date": "2026-11-26T01:00:00Z"},
        "audit_lake": {"state": "failed", "duration": None, "end_date": "2026-11-26T02:00:00.250000+00:00"},
    }
    duration, failed, ended_at, active = metrics.of_runs(
        ended, ["land_events", "land_events", "receive_restock"]
    )
    assert duration.values == {"land_events": 12.5}
    assert failed.values == {"land_events": 0, "audit_lake": 1}
    assert ended_at.values["audit_lake"] - ended_at.values["land_events"] == 3600.25
    assert active.values == {"land_events": 2, "audit_lake": 0, "receive_restock": 1}


def test_what_does_not_answer_is_said_and_left_out():
    def half_and_gone():
        yield metrics.Metric("shopnow_topic_lag", "gauge", "…", {"orders": 1}, "topic")
        raise UserError("Kafka does not answer")

    waiting = metrics.Metric("shopnow_messages_waiting", "gauge", "…", {"": 2})
    shown = exporter.text(metrics.gather({"kafka": half_and_gone, "lake": lambda: [waiting]}))
    assert 'shopnow_up{service="kafka"} 0.0' in shown
    assert 'shopnow_up{service="lake"} 1.0' in shown
    assert "shopnow_messages_waiting 2.0" in shown
    assert "shopnow_topic_lag" not in shown


@pytest.fixture
def airflow():
    """A server with the answers of Airflow's REST API to the viewer, as far as they are asked for; its address."""
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
            right = self.path == "/auth/token" and login == {"username": "viewer", "password": "right"}
            self.answer(201 if right else 401, {"access_token": "token"} if right else {})

        def do_GET(self):
            path = self.path.partition("?")[0]
            assert self.headers["Authorization"] == "Bearer token"
            dags = [{"dag_id": "land_events"}, {"dag_id": "audit_lake"}]
            self.answer(200, {"dags": dags} if path == "/api/v2/dags" else {"dag_runs": runs[path]})

        def answer(self, status, body):
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


def test_runs_are_asked_for_as_the_viewer(airflow):
    with airflow_api.log_in(airflow, "viewer", "right") as api:
        shown = exporter.text(metrics.of_airflow(api))
    assert 'shopnow_dag_run_duration_seconds{dag="land_events"} 3.0' in shown
    assert 'shopnow_dag_runs_active{dag="audit_lake"} 1.0' in shown


def test_an_airflow_that_refuses_is_not_up(airflow):
    def refused():
        with airflow_api.log_in(airflow, "viewer", "wrong") as api:
            yield from metrics.of_airflow(api)

    [up] = metrics.gather({"airflow": refused})
    assert up.values == {"airflow": 0}
