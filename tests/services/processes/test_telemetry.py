"""Airflow sends its metrics and traces to the configured OpenTelemetry receiver."""

import threading

import pytest

from shopnow.settings import Settings
from support.airflow_process import run_code
from support.otlp_receiver import Receiver

EMIT = """
import airflow.settings
from airflow._shared.observability.metrics import stats
from airflow.observability.metrics import stats_utils
from opentelemetry import trace

airflow.settings.initialize()
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
stats.incr("scheduler_heartbeat")
with trace.get_tracer("test").start_as_current_span("a span"):
    pass
"""


@pytest.fixture
def receiver():
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_metrics_and_traces_arrive(tmp_path, receiver):
    run_code(Settings(data_dir=tmp_path, otel_endpoint=receiver.address), EMIT)
    assert "airflow.scheduler_heartbeat" in receiver.metrics
    assert "a span" in receiver.spans
    assert receiver.services == {"shopnow"}
