"""Airflow reads task logs from HDFS when configured by the environment of the cluster.

A stub of WebHDFS holds the logs.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from shopnow.cluster import airflow, make_secrets, secret_files
from shopnow.cluster.settings import ClusterSettings
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

run_id = "manual__2026-11-26T17:00:00+00:00"
ti = SimpleNamespace(dag_id="d", run_id=run_id, task_id="t", map_index=-1, try_number=1)
name = log_filename_template_renderer()(ti=ti)
handlers = (get_remote_task_log(), load_remote_log_handler())
print(json.dumps([handler.read(name, None) for handler in handlers]))
"""


class WebHdfs(BaseHTTPRequestHandler):
    """A stub of a NameNode that holds one directory."""

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
    """The environment of the cluster's Airflow, with a SQLite database."""
    for name, value in make_secrets.generate_secrets().items():
        (tmp_path / name).write_text(value)
    monkeypatch.setattr(secret_files, "SECRETS_DIR", tmp_path)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}/airflow.db")
    secrets = ["database_password", "fernet_key", "api_secret_key", "jwt_secret"]
    return airflow.environment(
        ClusterSettings(), Settings(data_dir=tmp_path), Path("/usr/lib/jvm/some"), secrets
    )


def read(environment: dict[str, str], port: int):
    """Read the log with the API server's handler and with a task's; return the sources and texts of each."""
    connection = json.loads(environment["AIRFLOW_CONN_WEBHDFS_DEFAULT"]) | {"host": "127.0.0.1", "port": port}
    environment = {**os.environ, **environment, "AIRFLOW_CONN_WEBHDFS_DEFAULT": json.dumps(connection)}
    result = subprocess.run(
        [sys.executable, "-c", READ], env=environment, capture_output=True, text=True, check=False, timeout=90
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_log_is_read_from_hdfs_with_its_trigger_log(environment):
    with ThreadingHTTPServer(("127.0.0.1", 0), WebHdfs) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        files = [f"{FOLDER}/attempt=1.log", f"{FOLDER}/attempt=1.log.trigger.7.log"]
        assert read(environment, server.server_port) == [[files, ["the task", "its trigger"]]] * 2
        server.shutdown()


def test_unreachable_hdfs_is_reported_as_the_source(environment):
    for sources, logs in read(environment, 1):
        assert sources == ["HDFS does not return the log: Failed to locate the valid server."]
        assert logs == []
