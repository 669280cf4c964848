"""OpenLineage's provider sends to the configured target, in a process with Airflow's environment."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from shopnow.local_stack import airflow, openlineage
from shopnow.settings import Settings

JAVA = Path("/usr/lib/jvm/some")
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
