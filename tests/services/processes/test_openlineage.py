"""OpenLineage's provider sends to the configured target, in a process with Airflow's environment."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from shopnow.local_stack import openlineage
from shopnow.settings import Settings
from support.airflow_process import run_code

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
    run_code(settings, EMIT)


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
