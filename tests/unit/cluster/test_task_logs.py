"""Task logs on HDFS, as Airflow takes it from the environment of the cluster; what is read there, from a WebHDFS of the test's own."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from shopnow.cluster import airflow, connections, make_secrets, settings
from shopnow.cluster.settings import Cluster
from shopnow.settings import Settings

FOLDER = "/airflow-logs/dag_id=d/run_id=manual__2026-11-26T17_00_00+00_00/task_id=t"
FILES = {
    "attempt=1.log": b"the task",
    "attempt=1.log.trigger.7.log": b"its trigger",
    "attempt=2.log": b"another try",
}

READ = """
import json
from types import SimpleNamespace
import airflow.settings
from airflow.logging_config import get_remote_task_log
from airflow.sdk.log import load_remote_log_handler
from airflow.utils.helpers import log_filename_template_renderer

ti = SimpleNamespace(dag_id="d", run_id="manual__2026-11-26T17:00:00+00:00", task_id="t", map_index=-1, try_number=1)
name = log_filename_template_renderer()(ti=ti)
print(json.dumps([handler.read(name, None) for handler in (get_remote_task_log(), load_remote_log_handler())]))
"""


class WebHdfs(BaseHTTPRequestHandler):
    """The answers of a NameNode that holds one folder."""

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        name = path.path.removeprefix("/webhdfs/v1").replace("%3D", "=").replace("%2B", "+")
        [operation] = parse_qs(path.query)["op"]
        if operation == "GETFILESTATUS" and name in ("/", FOLDER):
            self._send(json.dumps({"FileStatus": {"type": "DIRECTORY"}}).encode())
        elif operation == "LISTSTATUS":
            statuses = [{"pathSuffix": file, "type": "FILE"} for file in FILES]
            self._send(json.dumps({"FileStatuses": {"FileStatus": statuses}}).encode())
        elif operation == "OPEN":
            self._send(FILES[name.removeprefix(f"{FOLDER}/")])
        else:
            self.send_error(404)

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """That of the cluster's Airflow, but for its database."""
    for name, value in make_secrets.made().items():
        (tmp_path / name).write_text(value)
    monkeypatch.setattr(settings, "SECRETS", tmp_path)
    monkeypatch.setattr(connections, "SECRETS", tmp_path)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}/airflow.db")
    return airflow.environment(Cluster(), Settings(data_dir=tmp_path), Path("/usr/lib/jvm/some"), None)


def read(environment: dict[str, str], port: int):
    """What the API server's handler and a task's give of the log, each with where it was."""
    given = json.loads(environment["AIRFLOW_CONN_WEBHDFS_DEFAULT"]) | {"host": "127.0.0.1", "port": port}
    environment = {**os.environ, **environment, "AIRFLOW_CONN_WEBHDFS_DEFAULT": json.dumps(given)}
    done = subprocess.run(
        [sys.executable, "-c", READ], env=environment, capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_log_is_read_from_hdfs_with_what_its_trigger_said(environment):
    with ThreadingHTTPServer(("127.0.0.1", 0), WebHdfs) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = [f"{FOLDER}/attempt=1.log", f"{FOLDER}/attempt=1.log.trigger.7.log"]
        assert read(environment, server.server_port) == [[found, ["the task", "its trigger"]]] * 2
        server.shutdown()


def test_without_hdfs_the_reader_is_told_so(environment):
    for sources, logs in read(environment, 1):
        assert sources == ["HDFS does not give the log: Failed to locate the valid server."]
        assert logs == []
