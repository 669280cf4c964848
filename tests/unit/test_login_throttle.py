"""Passwords of Airflow's own auth manager cannot be guessed fast, and other sites cannot frame its pages."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from airflow.api_fastapi import app as airflow_app
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from fastapi import FastAPI, Response

import shopnow_login_throttle as plugin

PASSWORD = "correct horse"  # noqa: S105
ADDRESS = ("192.0.2.1", 1)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """An app with Airflow's login and the plugin's middlewares, at a tenth of the usual delay."""
    passwords = tmp_path / "passwords.json"
    passwords.write_text(json.dumps({"admin": PASSWORD}))
    for name, value in {
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "API_AUTH__JWT_SECRET": "a secret of tests " * 4,
    }.items():
        monkeypatch.setenv(f"AIRFLOW__{name}", value)
    monkeypatch.setattr(plugin, "INTERVAL_SECONDS", 0.1)
    monkeypatch.setattr(airflow_app._AuthManagerState, "instance", SimpleAuthManager())
    server = FastAPI()
    airflow_app.init_auth_manager(server)
    server.add_api_route("/ui", lambda: Response("page"))
    policy = {"Content-Security-Policy": "default-src 'none'"}
    server.add_api_route("/shopnow", lambda: Response("tab", headers=policy))
    for middleware in plugin.ShopNowLoginThrottle.fastapi_root_middlewares:
        server.add_middleware(middleware["middleware"])
    return server


async def log_in(server: FastAPI, password: str, address: tuple[str, int] = ADDRESS) -> int:
    transport = httpx.ASGITransport(server, client=address)
    async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
        body = {"username": "admin", "password": password}
        return (await client.post("/auth/token", json=body)).status_code


def run(attempts: Callable[[], object]) -> float:
    """Run the attempts; returns how long they took."""
    start = time.monotonic()
    asyncio.run(attempts())  # type: ignore[arg-type]
    return time.monotonic() - start


def test_guesses_one_after_another_are_slowed_down(server: FastAPI) -> None:
    async def guess() -> None:
        for number in range(plugin.FREE_ATTEMPTS + 10):
            assert await log_in(server, f"guess {number}") == 401

    assert run(guess) > 10 * plugin.INTERVAL_SECONDS


def test_of_many_guesses_at_once_few_are_checked(server: FastAPI) -> None:
    statuses: Counter[int] = Counter()

    async def guess() -> None:
        statuses.update(await asyncio.gather(*(log_in(server, f"guess {number}") for number in range(100))))

    assert run(guess) > plugin.MAX_WAITING * plugin.INTERVAL_SECONDS
    checked = plugin.FREE_ATTEMPTS + plugin.MAX_WAITING
    assert statuses == {401: checked, 429: 100 - checked}


def test_the_right_password_is_accepted_in_its_turn_and_at_once_from_elsewhere(server: FastAPI) -> None:
    async def guess_then_log_in() -> None:
        for number in range(plugin.FREE_ATTEMPTS):
            await log_in(server, f"guess {number}")
        elsewhere = time.monotonic()
        assert await log_in(server, PASSWORD, ("192.0.2.2", 1)) == 201
        assert time.monotonic() - elsewhere < plugin.INTERVAL_SECONDS
        assert await log_in(server, PASSWORD) == 201

    assert run(guess_then_log_in) > plugin.INTERVAL_SECONDS


def test_right_passwords_are_never_slowed_down(server: FastAPI) -> None:
    async def log_in_often() -> None:
        for _ in range(3 * plugin.FREE_ATTEMPTS):
            assert await log_in(server, PASSWORD) == 201

    assert run(log_in_often) < plugin.FREE_ATTEMPTS * plugin.INTERVAL_SECONDS


def test_only_the_ui_may_frame_its_pages(server: FastAPI) -> None:
    async def policy(path: str) -> str:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(server), base_url="http://airflow"
        ) as client:
            return (await client.get(path)).headers["Content-Security-Policy"]

    assert asyncio.run(policy("/ui")) == "frame-ancestors 'self'"
    assert asyncio.run(policy("/shopnow")) == "default-src 'none'"


@pytest.mark.parametrize(
    ("path", "expected"), [("/airflow/auth/token", True), ("/airflow/ui/auth/me", False)]
)
def test_logins_are_recognized_below_a_path(path: str, expected: bool) -> None:
    scope = {"type": "http", "method": "POST", "path": path, "root_path": "/airflow"}
    assert plugin._is_login(scope) is expected
