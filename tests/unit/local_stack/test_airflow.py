"""Airflow sends its metrics and traces to the configured OpenTelemetry receiver, and nothing without one."""

from pathlib import Path

import pytest

from shopnow.errors import UserError
from shopnow.local_stack import airflow
from shopnow.settings import Settings


def test_nothing_is_sent_without_a_receiver(tmp_path):
    environment = airflow.environment(Settings(data_dir=tmp_path), Path("/usr/lib/jvm/some"))
    assert not [name for name in environment if name.startswith("OTEL_")]
    assert environment["AIRFLOW__METRICS__OTEL_ON"] == environment["AIRFLOW__TRACES__OTEL_ON"] == "False"


def test_endpoint_must_be_an_http_address(monkeypatch):
    monkeypatch.setenv("SHOPNOW_OTEL_ENDPOINT", "collector:4318")
    with pytest.raises(UserError, match="SHOPNOW_OTEL_ENDPOINT"):
        Settings.load()
