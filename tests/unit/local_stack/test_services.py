"""Which secrets the environment of each service has."""

import json
from pathlib import Path

import pytest

from shopnow.local_stack import postgres
from shopnow.local_stack.services import SERVICES
from shopnow.settings import Settings

JAVA = Path("/usr/lib/jvm/some")
WEBHOOK = "T0/B0/the-secret-of-the-webhook"
KAFKA_CREDENTIAL = "credential-of-kafka"

WITHOUT_SECRETS = {"kafka", "namenode", "datanode", "datanode-2", "smtp", "slack", "postgres", "sail"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a stack whose user has secrets in the environment."""
    kafka = {"bootstrap.servers": "kafka.example:9092", "sasl.password": KAFKA_CREDENTIAL}
    for name, value in {
        "A_TOKEN_OF_THE_USER": "the-token",
        "AIRFLOW_CONN_SLACK_DEFAULT": json.dumps({"conn_type": "slackwebhook", "password": WEBHOOK}),
        "AIRFLOW_CONN_SLACK_API_DEFAULT": json.dumps({"conn_type": "slack", "password": WEBHOOK}),
        "AIRFLOW_CONN_KAFKA_DEFAULT": json.dumps({"conn_type": "kafka", "extra": kafka}),
    }.items():
        monkeypatch.setenv(name, value)
    return Settings(data_dir=tmp_path, airflow_port=18080)


def environment(settings: Settings, service: str) -> str:
    return json.dumps(SERVICES[service].environment(settings, JAVA))


@pytest.mark.parametrize("service", sorted(WITHOUT_SECRETS))
def test_services_that_need_no_secret_have_none(settings: Settings, service: str) -> None:
    names = set(SERVICES[service].environment(settings, JAVA))
    assert {name for name in names if not name.startswith("SAIL_")} <= {"RUST_LOG"}


@pytest.mark.parametrize("service", sorted(SERVICES.keys() - WITHOUT_SECRETS))
def test_each_process_has_the_connections_that_it_uses(settings: Settings, service: str) -> None:
    text = environment(settings, service)
    assert (WEBHOOK in text) == (service in {"airflow-scheduler", "watchdog"})
    assert (KAFKA_CREDENTIAL in text) == service.startswith("airflow-")
    assert ("the-token" in text) == service.startswith("airflow-")
    assert ("FERNET_KEY" in text) == service.startswith("airflow-")
    assert ("JWT_SECRET" in text) == (service in {"airflow-api-server", "airflow-scheduler"})
    assert ("API__SECRET_KEY" in text) == (service == "airflow-api-server")
    assert json.loads(text)["SHOPNOW_AIRFLOW_PORT"] == "18080"


def test_only_the_process_that_runs_tasks_has_the_connection_to_the_database(settings: Settings) -> None:
    having = {name for name in SERVICES if "AIRFLOW_CONN_AIRFLOW_DB" in environment(settings, name)}
    assert having == {"airflow-scheduler"}
    connection = json.loads(
        SERVICES["airflow-scheduler"].environment(settings, JAVA)["AIRFLOW_CONN_AIRFLOW_DB"]
    )
    assert (connection["login"], connection["schema"]) == (postgres.PURGE_ROLE, postgres.ROLE)
