"""What the probes of the containers make of the services' answers."""

import json

import pytest

from shopnow.cluster import probes


@pytest.fixture
def answers(monkeypatch):
    """The JSON that services answer, by host and port."""
    by_address = {}
    monkeypatch.setattr(probes, "_get_json", lambda host, port, path: by_address[host, port])
    monkeypatch.setattr(probes, "_addresses", lambda host: {host})
    return by_address


@pytest.mark.parametrize(("safe_mode", "is_healthy"), [("", True), ("Safe mode is ON.", False)])
def test_namenode_is_healthy_when_it_has_left_safe_mode(answers, safe_mode, is_healthy):
    answers["namenode", 9870] = {"beans": [{"Safemode": safe_mode}]}
    assert probes.namenode("namenode") == is_healthy


@pytest.mark.parametrize(
    ("connections", "is_healthy"),
    [
        ([{"ActorState": "RUNNING", "LastHeartbeat": "1"}], True),
        ([{"ActorState": "RUNNING", "LastHeartbeat": "61"}], False),
        ([{"ActorState": "CONNECTING", "LastHeartbeat": "1"}], False),
        ([], False),
    ],
)
def test_datanode_is_healthy_when_the_namenode_answers_its_heartbeats(answers, connections, is_healthy):
    answers["datanode-1", 9864] = {"beans": [{"BPServiceActorInfo": json.dumps(connections)}]}
    assert probes.datanode("datanode-1") == is_healthy


@pytest.mark.parametrize(
    ("workers", "is_healthy"),
    [
        ([{"id": "worker-1", "state": "ALIVE"}, {"id": "worker-2", "state": "ALIVE"}], True),
        ([{"id": "worker-1", "state": "DEAD"}], False),
        ([{"id": "worker-2", "state": "ALIVE"}], False),
    ],
)
def test_spark_worker_is_healthy_when_the_master_counts_on_it(answers, workers, is_healthy):
    answers["spark-worker", 8081] = {"id": "worker-1"}
    answers["spark-master", 8080] = {"workers": workers}
    assert probes.spark_worker("spark-worker") == is_healthy


@pytest.mark.parametrize(("status", "is_healthy"), [("healthy", True), ("unhealthy", False), (None, False)])
def test_component_of_airflow_is_healthy_when_the_api_server_says_so(answers, status, is_healthy):
    answers["airflow-api-server", 8080] = {"triggerer": {"status": status}}
    assert probes.airflow_component("triggerer") == is_healthy
