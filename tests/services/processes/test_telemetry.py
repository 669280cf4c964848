"""Airflow sends its metrics and traces to the configured OpenTelemetry receiver."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shopnow.local_stack import airflow
from shopnow.settings import Settings
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


def emit(settings: Settings) -> None:
    environment = {**os.environ, **airflow.environment(settings, Path("/usr/lib/jvm/some"))}
    result = subprocess.run(
        [sys.executable, "-c", EMIT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr


def test_metrics_and_traces_arrive(tmp_path, receiver):
    emit(Settings(data_dir=tmp_path, otel_endpoint=receiver.address))
    assert "airflow.scheduler_heartbeat" in receiver.metrics
    assert "a span" in receiver.spans
    assert receiver.services == {"shopnow"}
