"""Limits on what a client can make the API server hold in memory, for all of Airflow's routes.

Without them, Airflow reads and parses the body of any request before it checks the login. The limits apply to
the whole process: the REST API, the login, the API of the tasks, the UI and the ShopNow+ tab.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, NoReturn

from airflow.plugins_manager import AirflowPlugin

log = logging.getLogger(__name__)

HEADER_BYTES = 64 << 10
"""Maximum size of a request line with its headers, and of the trailers of a chunked body."""
ANONYMOUS_BYTES = 16 << 10
"""Maximum size of a body without a valid login; the largest one that Airflow needs is that of a login."""
AUTHENTICATED_BYTES = 4 << 20
"""Maximum size of a body of a user or a task: parsed JSON takes up to 50 times its size in memory."""
TOTAL_BYTES = 8 << 20
"""Maximum size of all bodies over `ANONYMOUS_BYTES` that are in progress."""
BODY_SECONDS = 60.0
"""Time in which a body must have arrived; slow ones would hold their share of `TOTAL_BYTES` for as long."""
DRAIN_BYTES = 64 << 20
DRAIN_SECONDS = 5.0
"""Limits of the rest of a body, which is received and discarded after a refusal.

Clients that send the whole body before they read would otherwise see a broken connection and not the reason.
"""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyLimit:
    """ASGI middleware that answers 413 to a body over its limit, and 408 to one that arrives too slowly."""

    def __init__(
        self,
        app: App,
        limit: int,
        authenticated_limit: int | None = None,
        is_authenticated: Callable[[Scope], Awaitable[bool]] | None = None,
        total: int = TOTAL_BYTES,
        seconds: float = BODY_SECONDS,
    ) -> None:
        """Wrap an app.

        Args:
            app: app to protect.
            limit: maximum size of a body, bytes.
            authenticated_limit: maximum size of a body of a request with a valid login, bytes.
            is_authenticated: function that returns whether a request has a valid login; it is called only for
                bodies over `limit`.
            total: maximum size of all bodies over `limit` that are in progress, bytes.
            seconds: time in which a body must have arrived.
        """
        self.app, self.limit, self.total, self.seconds = app, limit, total, seconds
        self.authenticated_limit = authenticated_limit or limit
        self.is_authenticated = is_authenticated
        self.held = 0
        """Size of the bodies over `limit` that are in progress, bytes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _Request(self, scope, receive, send)
        try:
            await request.check(_declared_length(scope))
            await self.app(scope, request.receive, request.send)
        except Exception:
            # What the app makes of the interrupted body; the client already has the reason.
            if not request.is_refused:
                raise
        finally:
            self.held -= request.held


class _RefusedError(Exception):
    """The request was answered by the middleware; the app must not continue."""


class _Request:
    """A request whose body is counted while the app receives it."""

    def __init__(self, limits: BodyLimit, scope: Scope, receive: Receive, send: Send) -> None:
        self._limits, self._scope, self._receive, self._send = limits, scope, receive, send
        self._received, self._limit = 0, limits.limit
        self._deadline = asyncio.get_running_loop().time() + limits.seconds
        self._is_complete = self._is_answered = False
        self.is_refused = False
        self.held = 0

    async def receive(self) -> Message:
        try:
            # After the body, the app waits here for the end of the connection.
            async with asyncio.timeout_at(None if self._is_complete else self._deadline):
                message = await self._receive()
        except TimeoutError:
            await self._refuse(408, f"The body did not arrive within {self._limits.seconds:g} s")
        if message["type"] == "http.request":
            self._is_complete = not message.get("more_body", False)
            self._received += len(message.get("body", b""))
            await self.check(self._received)
        return message

    async def send(self, message: Message) -> None:
        if not self.is_refused:
            self._is_answered = True
            await self._send(message)

    async def check(self, size: int) -> None:
        """Refuse the request if a body of this size is not allowed."""
        limits = self._limits
        if size <= limits.limit:
            return
        if size > limits.authenticated_limit:
            await self._refuse(413, f"The body has more than {_size(limits.authenticated_limit)}; send less")
        if self._limit == limits.limit:
            if not await self._is_authenticated():
                await self._refuse(
                    413,
                    f"The body has more than {_size(limits.limit)}, the maximum without a valid login; "
                    f"with one, it is {_size(limits.authenticated_limit)}",
                )
            self._limit = limits.authenticated_limit
        added = max(size - self.held, 0)
        if limits.held + added > limits.total:
            await self._refuse(503, "Too many large requests are in progress; try again in a moment")
        limits.held += added
        self.held += added

    async def _is_authenticated(self) -> bool:
        if self._limits.is_authenticated is None:
            return False
        try:
            return await self._limits.is_authenticated(self._scope)
        except Exception:
            log.exception("the login of a request with a large body cannot be checked")
            await self._refuse(503, "The login cannot be checked; try again in a moment")

    async def _refuse(self, status: int, detail: str) -> NoReturn:
        self.is_refused = True
        if not self._is_answered:
            body = json.dumps({"detail": detail}).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"connection", b"close"),
                *([(b"retry-after", b"1")] if status == 503 else []),
            ]
            await self._send({"type": "http.response.start", "status": status, "headers": headers})
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            if status != 408:
                await self._drain()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        raise _RefusedError(detail)

    async def _drain(self) -> None:
        """Discard the rest of the body, within limits."""
        drained = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._is_complete and drained < DRAIN_BYTES:
                    message = await self._receive()
                    self._is_complete = not message.get("more_body", False)
                    drained += len(message.get("body", b""))


class HeaderLimit:
    """Makes uvicorn refuse larger headers; an ASGI app sees a request only after all of its headers."""

    def __init__(self, app: App) -> None:
        self._app = app
        # Without httptools, uvicorn uses h11, which has such a limit.
        with suppress(ImportError):
            from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

            limit_headers(HttpToolsProtocol)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def limit_headers(protocol: Any, limit: int = HEADER_BYTES) -> None:
    """Make a protocol class of uvicorn close connections that send more than `limit` bytes of headers.

    Bytes are counted before they are parsed, since the parser keeps what it has of an unfinished header.
    """
    if hasattr(protocol, "header_bytes"):
        return
    protocol.header_bytes = 0
    data_received = protocol.data_received

    def count(self: Any, data: bytes) -> None:
        self.header_bytes += len(data)
        data_received(self, data)
        if self.header_bytes > limit and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
                self.transport.write(_HEADERS_TOO_LARGE)
            self.transport.close()

    protocol.data_received = count
    for name in ("on_body", "on_message_complete"):
        setattr(protocol, name, _resetting(getattr(protocol, name)))


_HEADERS_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


def _resetting(callback: Callable[..., None]) -> Callable[..., None]:
    """Wrap a callback of the parser so that the bytes before it no longer count as headers."""

    def reset(self: Any, *arguments: Any) -> None:
        self.header_bytes = 0
        callback(self, *arguments)

    return reset


def _declared_length(scope: Scope) -> int:
    """Return the Content-Length; 0 if there is none, or none that can be a size."""
    length = dict(scope["headers"]).get(b"content-length", b"")
    # A length of thousands of zeros is no integer to Python. What is received is counted in any case.
    return int(length) if length.isdigit() and len(length) < 20 else 0


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


async def _is_authenticated(scope: Scope) -> bool:
    from shopnow import airflow_internals

    return await airflow_internals.is_authenticated(scope)


class ShopNowRequestLimits(AirflowPlugin):
    name = "shopnow_request_limits"
    fastapi_root_middlewares = [  # noqa: RUF012  (as the base class has it)
        {
            "name": "Body limit",
            "middleware": BodyLimit,
            "args": [ANONYMOUS_BYTES, AUTHENTICATED_BYTES, _is_authenticated],
        },
        {"name": "Header limit", "middleware": HeaderLimit},
    ]
