"""Middlewares of Airflow's API server: login attempts are slowed down, and other sites cannot frame the UI.

Airflow's simple auth manager checks passwords as fast as they come.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from cachetools import LRUCache

FREE_ATTEMPTS = 10
"""Failed and running attempts of a client until further ones are slowed down."""
FORGET_SECONDS = 60.0
"""Time without a failure after which failures are forgotten."""
INTERVAL_SECONDS = 1.0
"""Time between two attempts that are slowed down."""
MAX_WAITING = 20
"""Attempts of a client that wait; further ones are refused, without a look at the password."""
MAX_CLIENTS = 1_000

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class _Client:
    """Attempts of one address."""

    def __init__(self) -> None:
        self.failures = 0
        self.failed_at = 0.0
        self.next_at = 0.0
        self.running = 0
        self.waiting = 0

    def is_slowed(self) -> bool:
        if time.monotonic() - self.failed_at > FORGET_SECONDS:
            self.failures = 0
        return self.failures + self.running >= FREE_ATTEMPTS

    def add_failure(self) -> None:
        self.failures += 1
        self.failed_at = time.monotonic()

    async def wait_for_turn(self) -> None:
        self.waiting += 1
        try:
            now = time.monotonic()
            self.next_at = max(self.next_at, now) + INTERVAL_SECONDS
            await asyncio.sleep(self.next_at - now)
        finally:
            self.waiting -= 1


class LoginThrottle:
    """Delays attempts before their password is checked: a late answer to a wrong one would tell it apart.

    A correct password does not end the delay, as one of another user would, or that of the service monitor.
    """

    def __init__(self, app: Callable[[Any, Receive, Send], Awaitable[None]]) -> None:
        self._app = app
        self._clients: LRUCache[str, _Client] = LRUCache(MAX_CLIENTS)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if not _is_login(scope):
            return await self._app(scope, receive, send)
        address = (scope.get("client") or ("",))[0]
        client = self._clients.setdefault(address, _Client())
        if client.is_slowed():
            if client.waiting >= MAX_WAITING:
                return await _refuse(send)
            await client.wait_for_turn()

        async def send_and_count(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.UNAUTHORIZED:
                client.add_failure()
            await send(message)

        client.running += 1
        try:
            await self._app(scope, receive, send_and_count)
        finally:
            client.running -= 1


class FrameGuard:
    """Lets only the UI itself frame its pages, where a page does not say otherwise."""

    HEADER = (b"content-security-policy", b"frame-ancestors 'self'")

    def __init__(self, app: Callable[[Any, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        async def send_with_header(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if not any(name.lower() == self.HEADER[0] for name, _ in headers):
                    message = {**message, "headers": [*headers, self.HEADER]}
            await send(message)

        await self._app(scope, receive, send_with_header if scope["type"] == "http" else send)


def _is_login(scope: Any) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "POST"
        and scope["path"].removeprefix(scope.get("root_path", "")).startswith("/auth/")
    )


async def _refuse(send: Send) -> None:
    body = b'{"detail": "Too many failed logins from this address: try again in a minute"}'
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(round(FORGET_SECONDS)).encode()),
    ]
    await send({"type": "http.response.start", "status": HTTPStatus.TOO_MANY_REQUESTS, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class ShopNowLoginThrottle(AirflowPlugin):
    name = "shopnow_login_throttle"
    fastapi_root_middlewares = [  # noqa: RUF012  (as the base class has it)
        {"name": "login throttle", "middleware": LoginThrottle},
        {"name": "frame guard", "middleware": FrameGuard},
    ]
