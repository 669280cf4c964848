"""A real Airflow API server with the plugins of the project, on an empty database of its own."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import Request, urlopen

from shopnow.local_stack import supervision
from shopnow.settings import ROOT
from support import raw_http
from support.free_ports import free_ports

USER, PASSWORD = "anna", "secret"
SECRET = "x" * 64
"""Key of the tokens."""

_SERVER = """
import sys, uvicorn
from airflow import settings
from airflow.models import import_all_models
from airflow.models.base import Base
import_all_models()
Base.metadata.create_all(settings.get_engine())
uvicorn.run("airflow.api_fastapi.main:app", port=int(sys.argv[1]), log_config=None, access_log=False)
"""


class ApiServer(NamedTuple):
    port: int
    pid: int
    path: str = ""
    """Path below which it serves everything."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    @property
    def peak(self) -> int:
        """Largest resident memory so far, bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10

    def login(self) -> str:
        """Return the token of a user."""
        body = json.dumps({"username": USER, "password": PASSWORD}).encode()
        request = Request(f"{self.url}/auth/token", body, {"Content-Type": "application/json"})  # noqa: S310  (http)
        with urlopen(request) as response:  # noqa: S310
            return json.load(response)["access_token"]

    def post(self, path: str, body: bytes, *, chunked: bool, token: str = "") -> int:
        """Send a request and return the status of the answer."""
        head = f"POST {self.path}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        head += "Content-Type: application/json\r\n"
        head += f"Authorization: Bearer {token}\r\n" if token else ""
        if chunked:
            head += "Transfer-Encoding: chunked\r\n\r\n"
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            head += f"Content-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.port), 60) as client:
            client.sendall(head.encode() + body)
            return raw_http.status(client.recv(1 << 16))


@contextmanager
def run(home: Path, path: str = "", environment: Mapping[str, str] | None = None) -> Iterator[ApiServer]:
    """Run an API server with its files in a folder.

    Args:
        home: the folder.
        path: path of its base URL.
        environment: further variables.
    """
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({USER: PASSWORD}))
    (port,) = free_ports(1)
    variables = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}{path}",
        "AIRFLOW__API_AUTH__JWT_SECRET": SECRET,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        **(environment or {}),
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(port)], env=variables, stdout=log, stderr=log
        )
    server = ApiServer(port, process.pid, path)
    try:

        def answers() -> bool:
            try:
                return urlopen(f"{server.url}/api/v2/version").status == 200  # noqa: S310
            except (URLError, ConnectionError):
                assert process.poll() is None, (home / "log").read_text()
                return False

        assert supervision.wait_until(answers, 120), (home / "log").read_text()
        yield server
    finally:
        process.kill()
        process.wait()
