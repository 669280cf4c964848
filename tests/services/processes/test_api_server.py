"""Airflow's API server below a path: the tab, and what a client without a login can make it hold in memory.

Its database is empty.
"""

import json
import re
import socket
from collections.abc import Iterator

import httpx
import pytest
from airflow.api_fastapi.auth.tokens import JWTGenerator

from support import api_server
from support.api_server import SECRET, ApiServer

HOSTILE_BYTES = 60 << 20
MAX_GROWTH_BYTES = 40 << 20
XCOM = "/execution/xcoms/a/b/c/d"
ROUTES = (
    "/shopnow/api/orders",
    "/auth/token",
    "/api/v2/dags/x/dagRuns",
    XCOM,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server.run(tmp_path_factory.mktemp("airflow"), "/airflow") as server:
        for route in ROUTES:  # Loads what the first request of each loads.
            server.post(route, b"{}", chunked=False, token=server.login())
        yield server


def test_the_tab_is_served_below_the_path(server: ApiServer) -> None:
    headers = {"Authorization": f"Bearer {server.login()}"}
    with httpx.Client(base_url=server.url.removesuffix(server.path), headers=headers) as client:
        plugins = client.get(f"{server.path}/api/v2/plugins").json()["plugins"]
        [view] = [
            view for plugin in plugins for view in plugin["external_views"] if view["name"] == "ShopNow+"
        ]
        page = client.get(view["href"])
        assert page.status_code == 200
        addresses = re.findall(r'(?:href|src)="([^"]+)"', page.text)
        assert len(addresses) >= 3
        files = [str(page.url.join(address)) for address in (*addresses, "api/me")]
        for address in (view["icon"], view["icon_dark_mode"], *files):
            assert client.get(address).status_code == 200, address


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
        client.sendall(f"GET {server.path}/shopnow/ HTTP/1.1\r\nHost: x\r\n".encode())
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
