"""Airflow's configuration: the receiver of its metrics and traces, and the path that a proxy adds."""

from pathlib import Path

import pytest

from shopnow.errors import UserError
from shopnow.local_stack import airflow
from shopnow.local_stack.services import SERVICES
from shopnow.settings import Settings


def test_nothing_is_sent_without_a_receiver(tmp_path):
    environment = airflow.environment(Settings(data_dir=tmp_path), Path("/usr/lib/jvm/some"))
    assert not [name for name in environment if name.startswith("OTEL_")]
    assert environment["AIRFLOW__METRICS__OTEL_ON"] == environment["AIRFLOW__TRACES__OTEL_ON"] == "False"


def test_endpoint_must_be_an_http_address(monkeypatch):
    monkeypatch.setenv("SHOPNOW_OTEL_ENDPOINT", "collector:4318")
    with pytest.raises(UserError, match="SHOPNOW_OTEL_ENDPOINT"):
        Settings.load()


def test_everything_is_below_the_path_of_the_base_url(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://shop.example/airflow/")
    settings = Settings(data_dir=tmp_path, airflow_port=8080)
    environment = airflow.environment(settings, Path("/usr/lib/jvm/some"))
    assert environment["AIRFLOW__API__BASE_URL"] == "https://shop.example/airflow"
    local = "http://127.0.0.1:8080/airflow"
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"{local}/execution/"
    assert airflow.url(settings) == local
    monitor = SERVICES["watchdog"].environment(settings, Path("/usr/lib/jvm/some"))
    assert monitor["AIRFLOW__API__BASE_URL"] == "https://shop.example/airflow"


@pytest.mark.parametrize("url", ["shop.example/airflow", "https://", "https://shop.example/airflow?x=1"])
def test_base_url_must_be_an_http_address(monkeypatch, url):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", url)
    with pytest.raises(UserError, match="AIRFLOW__API__BASE_URL"):
        Settings.load()
