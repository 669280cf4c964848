"""What a client without a login can make Airflow's API server hold in memory; its database is empty."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from airflow.api_fastapi.auth.tokens import JWTGenerator

from shopnow.local_stack import supervision
from shopnow.settings import ROOT
from support import raw_http
from support.free_ports import free_ports

SERVER = """
import sys, uvicorn
from airflow import settings
from airflow.models import import_all_models
from airflow.models.base import Base
import_all_models()
Base.metadata.create_all(settings.get_engine())
uvicorn.run("airflow.api_fastapi.main:app", port=int(sys.argv[1]), log_config=None, access_log=False)
"""
HOSTILE_BYTES = 60 << 20
MAX_GROWTH_BYTES = 40 << 20
SECRET = "x" * 64
XCOM = "/execution/xcoms/a/b/c/d"
ROUTES = (
    "/shopnow/api/orders",
    "/auth/token",
    "/api/v2/dags/x/dagRuns",
    XCOM,
)


class ApiServer(NamedTuple):
    port: int
    pid: int

    @property
    def peak(self) -> int:
        """Largest resident memory so far, bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10

    def login(self) -> str:
        """Return the token of a user."""
        body = json.dumps({"username": "anna", "password": "secret"}).encode()
        request = Request(
            f"http://127.0.0.1:{self.port}/auth/token", body, {"Content-Type": "application/json"}
        )
        with urlopen(request) as response:  # noqa: S310  (http)
            return json.load(response)["access_token"]

    def post(self, path: str, body: bytes, *, chunked: bool, token: str = "") -> int:
        """Send a request and return the status of the answer."""
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        head += f"Authorization: Bearer {token}\r\n" if token else ""
        if chunked:
            head += "Transfer-Encoding: chunked\r\n\r\n"
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            head += f"Content-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.port), 60) as client:
            client.sendall(head.encode() + body)
            return raw_http.status(client.recv(1 << 16))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    home = tmp_path_factory.mktemp("airflow")
    passwords = home / "passwords.json"
    passwords.write_text('{"anna": "secret"}')
    (port,) = free_ports(1)
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "anna:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__API_AUTH__JWT_SECRET": SECRET,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(port)], env=environment, stdout=log, stderr=log
        )
    try:

        def answers() -> bool:
            try:
                return urlopen(f"http://127.0.0.1:{port}/api/v2/version").status == 200
            except (URLError, ConnectionError):
                assert process.poll() is None, (home / "log").read_text()
                return False

        assert supervision.wait_until(answers, 120), (home / "log").read_text()
        server = ApiServer(port, process.pid)
        for route in ROUTES:  # Loads what the first request of each loads.
            server.post(route, b"{}", chunked=False, token=server.login())
        yield server
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_without_a_login_takes_no_memory(server: ApiServer, route: str, chunked: bool) -> None:
    before = server.peak
    body = b"[" + b"[]," * (HOSTILE_BYTES // 3) + b"[]]"
    assert server.post(route, body, chunked=chunked) == 413
    assert server.post(route, body[: 1 << 20], chunked=chunked, token="x.y.z") == 413  # noqa: S106
    assert server.peak - before < MAX_GROWTH_BYTES


def test_endless_headers_take_no_memory(server: ApiServer) -> None:
    before = server.peak
    with socket.create_connection(("127.0.0.1", server.port), 60) as client:
        client.sendall(b"GET /shopnow/ HTTP/1.1\r\nHost: x\r\n")
        with pytest.raises(ConnectionError):
            client.sendall(b"a: b\r\n" * (HOSTILE_BYTES // 6))
    assert server.peak - before < MAX_GROWTH_BYTES


def test_a_login_raises_the_limit(server: ApiServer) -> None:
    user = server.login()
    order = json.dumps({"customer_name": "x" * (20 << 10)}).encode()
    assert server.post("/shopnow/api/orders", order, chunked=True, token=user) == 403
    task = JWTGenerator(secret_key=SECRET, audience="urn:airflow.apache.org:task", valid_for=60).generate(
        {"sub": "00000000-0000-0000-0000-000000000000"}
    )
    for route, token in (("/shopnow/api/orders", user), (XCOM, task), ("/api/v2/dags/x/dagRuns", user)):
        assert server.post(route, b"x" * (5 << 20), chunked=True, token=token) == 413
    assert server.post(XCOM, b"x" * (1 << 20), chunked=True, token=task) == 422
    assert server.post(XCOM, b"x" * (1 << 20), chunked=True, token=user) == 413
