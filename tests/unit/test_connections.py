"""Connections: one place, and a variable each to point elsewhere."""

import json

import pytest

from shopnow import connections
from shopnow.errors import UserError
from shopnow.settings import Settings

IDS = {"kafka_default", "webhdfs_default", "spark_default", "smtp_default", "slack_default"}


def test_local_defaults_are_on_this_machine():
    in_force = connections.load(Settings())
    assert set(in_force) == IDS
    assert connections.kafka_conf(in_force)["bootstrap.servers"].startswith("127.0.0.1:")
    assert connections.lake_uri(in_force).startswith("hdfs://127.0.0.1:")


def test_a_variable_points_elsewhere(monkeypatch):
    extra = {"bootstrap.servers": "broker.example:9092", "security.protocol": "SSL"}
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": extra}))
    in_force = connections.load(Settings())
    assert connections.kafka_conf(in_force) == extra


def test_a_slack_bot_is_there_only_if_somebody_gives_one(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_SLACK_API_DEFAULT", json.dumps({"conn_type": "slack", "password": "xoxb-1"})
    )
    assert set(connections.load(Settings())) == IDS | {"slack_api_default"}


@pytest.mark.parametrize("text", ["kafka://broker", "[]", '"text"'])
def test_anything_but_a_connection_in_json_is_named(monkeypatch, text):
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", text)
    with pytest.raises(UserError, match="AIRFLOW_CONN_KAFKA_DEFAULT"):
        connections.load(Settings())


def test_hdfs_without_a_lake(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_WEBHDFS_DEFAULT", json.dumps({"conn_type": "webhdfs", "host": "namenode.example"})
    )
    with pytest.raises(UserError, match="webhdfs_default has no lake"):
        connections.lake_uri(connections.load(Settings()))
