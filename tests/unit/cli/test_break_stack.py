"""`break` lists its faults, and refuses what is not the local stack."""

import json

import pytest
from typer.testing import CliRunner

from shopnow import connections
from shopnow.cli.__main__ import app
from shopnow.drills.faults import FAULTS
from shopnow.errors import UserError


def invoke(*arguments: str):
    return CliRunner().invoke(app, ["break", *arguments])


def test_without_a_fault_it_lists_them():
    listed = json.loads(invoke("--json").stdout)["faults"]
    assert [fault["name"] for fault in listed] == list(FAULTS)
    assert all(name in invoke().stdout for name in FAULTS)


def test_an_unknown_fault_is_an_error_that_names_the_known_ones():
    error = invoke("earthquake").exception
    assert isinstance(error, UserError)
    assert "expected one of broker-killed" in str(error)


@pytest.mark.parametrize(
    ("id_", "connection"),
    [
        ("kafka_default", {"conn_type": "kafka", "extra": {"bootstrap.servers": "kafka.example:9092"}}),
        (
            "webhdfs_default",
            {"conn_type": "webhdfs", "host": "nn.example", "extra": {"lake": "hdfs://nn.example:8020/x"}},
        ),
    ],
)
def test_another_kafka_or_hdfs_is_not_broken(monkeypatch, id_, connection):
    monkeypatch.setenv(connections.variable_name(id_), json.dumps(connection))
    error = invoke("poison", "--yes").exception
    assert isinstance(error, UserError)
    assert str(error) == (f"{id_} is not the local stack: faults are injected into the local stack only")


def test_a_stack_that_does_not_run_is_not_broken(monkeypatch, tmp_path):
    monkeypatch.setenv("SHOPNOW_DATA_DIR", str(tmp_path))
    assert "run ./shopnow up first" in str(invoke("poison", "--yes").exception)
    assert list(tmp_path.iterdir()) == []
