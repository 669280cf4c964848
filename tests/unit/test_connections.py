"""Connections: local defaults, and one variable each to override them."""

import json

import pytest

from shopnow import connections
from shopnow.errors import UserError
from shopnow.settings import Settings

IDS = {
    *("kafka_default", "webhdfs_default", "spark_default", "spark_connect_default"),
    *("smtp_default", "slack_default"),
}


def test_defaults_point_to_the_local_stack():
    effective = connections.load(Settings())
    assert set(effective) == IDS
    assert connections.kafka_conf(effective)["bootstrap.servers"].startswith("127.0.0.1:")
    assert connections.lake_uri(effective).startswith("hdfs://127.0.0.1:")


def test_with_openlineage_everything_is_left_to_spark_submit_which_reports_to_it():
    hosts = [
        connections.load(Settings(openlineage=path))["spark_connect_default"]["host"] for path in (None, "/x")
    ]
    assert hosts == ["127.0.0.1", ""]


def test_a_variable_overrides_a_connection(monkeypatch):
    extra = {"bootstrap.servers": "broker.example:9092", "security.protocol": "SSL"}
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": extra}))
    effective = connections.load(Settings())
    assert connections.kafka_conf(effective) == extra


def test_the_slack_bot_connection_is_optional(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_SLACK_API_DEFAULT", json.dumps({"conn_type": "slack", "password": "xoxb-1"})
    )
    assert set(connections.load(Settings())) == IDS | {"slack_api_default"}


@pytest.mark.parametrize("text", ["kafka://broker", "[]", '"text"'])
def test_an_invalid_connection_is_reported_with_its_variable(monkeypatch, text):
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", text)
    with pytest.raises(UserError, match="AIRFLOW_CONN_KAFKA_DEFAULT"):
        connections.load(Settings())


def test_hdfs_without_a_lake_is_reported(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_WEBHDFS_DEFAULT", json.dumps({"conn_type": "webhdfs", "host": "namenode.example"})
    )
    with pytest.raises(UserError, match="webhdfs_default has no lake"):
        connections.lake_uri(connections.load(Settings()))
