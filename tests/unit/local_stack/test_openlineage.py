"""OpenLineage events go to the configured target; without one, neither provider nor listener is loaded."""

import json
import os
import shlex
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from shopnow.errors import UserError
from shopnow.local_stack import airflow, jars, openlineage, spark
from shopnow.settings import Settings

JAVA = Path("/usr/lib/jvm/some")
API = "http://127.0.0.1:5000"

EMIT = """
from datetime import UTC, datetime
from uuid import uuid4
from airflow.providers.openlineage.plugins.openlineage import OpenLineageProviderPlugin
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

[listener] = OpenLineageProviderPlugin.listeners
job = Job(namespace="shopnow", name="compute_kpis.compute")
run, now = Run(runId=str(uuid4())), datetime.now(UTC).isoformat()
listener.adapter.emit(RunEvent(eventType=RunState.START, eventTime=now, run=run, job=job))
"""


@pytest.fixture
def api():
    """An OpenLineage API; yields its address and the received (path, event) pairs."""
    events: list[tuple[str, dict]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            events.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", events
        server.shutdown()


def emit(settings: Settings) -> None:
    openlineage.install()
    environment = {**os.environ, **airflow.environment(settings, JAVA)}
    result = subprocess.run(
        [sys.executable, "-c", EMIT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr


def test_provider_appends_to_the_file(tmp_path):
    file = tmp_path / "lineage.jsonl"
    file.write_text('{"job": {"name": "earlier"}}\n')
    emit(Settings(data_dir=tmp_path, openlineage=str(file)))
    jobs = [json.loads(line)["job"]["name"] for line in file.read_text().splitlines()]
    assert jobs == ["earlier", "compute_kpis.compute"]


def test_provider_sends_to_the_api(tmp_path, api):
    address, events = api
    emit(Settings(data_dir=tmp_path, openlineage=address))
    [(path, event)] = events
    assert (path, event["job"]["name"]) == ("/api/v1/lineage", "compute_kpis.compute")


def test_nothing_is_loaded_when_lineage_is_off(tmp_path):
    settings = Settings(data_dir=tmp_path)
    environment = airflow.environment(settings, JAVA)
    assert environment["AIRFLOW__OPENLINEAGE__DISABLED"] == "True"
    assert "openlineage" not in environment["PYTHONPATH"]
    assert "openlineage" not in environment["SPARK_DIST_CLASSPATH"]
    assert "openlineage" not in environment["SPARK_SUBMIT_OPTS"]


@pytest.mark.parametrize(
    ("target", "transport"),
    [
        ("/var/lib/lineage.jsonl", {"type": "file", "location": "/var/lib/lineage.jsonl"}),
        (API, {"type": "http", "url": API}),
    ],
)
def test_spark_sends_to_the_same_target_and_names_its_task(tmp_path, target, transport):
    settings = Settings(data_dir=tmp_path, openlineage=target)
    environment = airflow.environment(settings, JAVA)
    options = shlex.split(environment["SPARK_SUBMIT_OPTS"])
    expected = {f"-Dspark.openlineage.transport.{name}={value}" for name, value in transport.items()}
    assert expected | {"-Dspark.extraListeners=io.openlineage.spark.agent.OpenLineageSparkListener"} <= set(
        options
    )
    assert environment["AIRFLOW__OPENLINEAGE__SPARK_INJECT_PARENT_JOB_INFO"] == "True"


def test_class_archive_stays_valid(tmp_path):
    """The JVM accepts it as long as the classpath begins with the one that it was created with."""
    without_lineage, with_lineage = Settings(data_dir=tmp_path), Settings(data_dir=tmp_path, openlineage=API)
    assert (
        spark.extra_classpath(without_lineage)
        == jars.classpath("spark")
        == spark.extra_classpath(with_lineage)[:-1]
    )


@pytest.mark.parametrize("value", ["lineage.jsonl", "s3://bucket/lineage"])
def test_target_must_be_an_absolute_path_or_an_http_address(monkeypatch, value):
    monkeypatch.setenv("SHOPNOW_OPENLINEAGE", value)
    with pytest.raises(UserError, match="SHOPNOW_OPENLINEAGE"):
        Settings.load()
