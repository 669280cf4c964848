"""Bodies and headers that are too large are refused while they arrive, over real connections."""

import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from shopnow.local_stack import supervision
from shopnow_request_limits import BodyLimit, limit_headers
from support import raw_http

KIB = 1 << 10
POST = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


class Reader:
    """An app that reads the whole body before it answers, as most do."""

    def __init__(self) -> None:
        self.received = 0
        self.completed = 0
        self.gate: Callable[[], Awaitable[None]] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            self.received += len(message.get("body", b""))
            more = message.get("more_body", False)
        self.completed += 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@contextmanager
def serve(app: Any, **options: Any) -> Iterator[int]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="critical", **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert supervision.wait_until(lambda: server.started, 30, interval=0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def chunks(size: int) -> bytes:
    chunk = b"400\r\n" + b"x" * KIB + b"\r\n"
    return chunk * (size // KIB) + b"0\r\n\r\n"


async def has_login(scope: Any) -> bool:
    return (b"authorization", b"valid") in scope["headers"]


def length(size: int) -> bytes:
    return POST + b"Content-Length: %d\r\n\r\n" % size


@pytest.mark.parametrize("size", [17 * KIB, 8 << 20])
def test_a_larger_body_is_refused_before_it_is_read(size: int) -> None:
    reader = Reader()
    with serve(BodyLimit(reader, 16 * KIB)) as port:
        for request in (length(size) + b"x" * size, CHUNKED + chunks(size)):
            answer = raw_http.exchange(port, request)
            assert raw_http.status(answer) == 413
            assert answer.endswith(b'{"detail": "The body has more than 16 KiB; send less"}')
    assert (reader.received <= 16 * KIB, reader.completed) == (True, 0)


def test_a_declared_length_is_refused_before_the_body_arrives() -> None:
    with (
        serve(BodyLimit(Reader(), 16 * KIB)) as port,
        socket.create_connection(("127.0.0.1", port), 60) as client,
    ):
        client.sendall(length(1 << 40))
        assert raw_http.status(client.recv(1 << 16)) == 413


def test_a_body_within_the_limit_is_passed_on() -> None:
    reader = Reader()
    with serve(BodyLimit(reader, 16 * KIB)) as port:
        for request in (length(16 * KIB) + b"x" * 16 * KIB, CHUNKED + chunks(16 * KIB), POST + b"\r\n"):
            assert raw_http.status(raw_http.exchange(port, request)) == 200
    assert reader.received == 32 * KIB


def test_a_login_raises_the_limit() -> None:
    app = BodyLimit(Reader(), 16 * KIB, 64 * KIB, has_login)
    with serve(app) as port:
        for login, size, expected in (
            (b"valid", 64, 200),
            (b"valid", 65, 413),
            (b"invalid", 16, 200),
            (b"invalid", 17, 413),
        ):
            request = CHUNKED[:-2] + b"Authorization: " + login + b"\r\n\r\n" + chunks(size * KIB)
            assert raw_http.status(raw_http.exchange(port, request)) == expected, (login, size)
    assert app.held == 0


def test_large_bodies_in_progress_are_limited_together() -> None:
    app = BodyLimit(Reader(), 16 * KIB, 64 * KIB, has_login, total=100 * KIB)
    with serve(app) as port, socket.create_connection(("127.0.0.1", port), 60) as unfinished:
        authorized = CHUNKED[:-2] + b"Authorization: valid\r\n\r\n"
        unfinished.sendall(authorized + chunks(60 * KIB)[:-5])
        assert supervision.wait_until(lambda: app.held >= 60 * KIB, 30, interval=0.01)
        answer = raw_http.exchange(port, authorized + chunks(60 * KIB))
        assert (raw_http.status(answer), b"retry-after: 1" in answer) == (503, True)
        assert raw_http.status(raw_http.exchange(port, authorized + chunks(16 * KIB))) == 200
        unfinished.sendall(b"0\r\n\r\n")
        assert raw_http.status(unfinished.recv(1 << 16)) == 200
        assert raw_http.status(raw_http.exchange(port, authorized + chunks(60 * KIB))) == 200


def test_a_body_that_does_not_arrive_in_time_is_refused() -> None:
    reader = Reader()
    with (
        serve(BodyLimit(reader, 16 * KIB, seconds=0.2)) as port,
        socket.create_connection(("127.0.0.1", port), 60) as client,
    ):
        client.sendall(length(2) + b"x")
        answer = client.recv(1 << 16)
        assert raw_http.status(answer) == 408
        assert raw_http.status(raw_http.exchange(port, length(2) + b"xx")) == 200
    assert reader.completed == 1


def test_a_login_that_cannot_be_checked_is_reported() -> None:
    async def fail(scope: Any) -> bool:
        raise OSError("no database")

    with serve(BodyLimit(Reader(), 16 * KIB, 64 * KIB, fail)) as port:
        answer = raw_http.exchange(port, CHUNKED + chunks(20 * KIB))
        assert raw_http.status(answer) == 503
        assert b"The login cannot be checked" in answer


@pytest.fixture
def limited_protocol() -> Any:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    protocol = type("LimitedProtocol", (HttpToolsProtocol,), {})
    limit_headers(protocol, 64 * KIB)
    return protocol


ENDLESS = {
    "one header": (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"a" * KIB),
    "many headers": (b"GET / HTTP/1.1\r\nHost: x\r\n", b"a: b\r\n" * 200),
    "target": (b"GET /", b"a" * KIB),
    "trailers": (CHUNKED + b"1\r\na\r\n0\r\n", b"a: b\r\n" * 200),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_endless_headers_end_the_connection(limited_protocol: Any, kind: str) -> None:
    first, more = ENDLESS[kind]
    with (
        serve(Reader(), http=limited_protocol) as port,
        socket.create_connection(("127.0.0.1", port), 60) as client,
    ):
        client.sendall(first)
        with pytest.raises(ConnectionError):  # noqa: PT012  (one of many sends fails)
            for _ in range(1 << 14):
                client.sendall(more)


def test_headers_over_the_limit_are_named(limited_protocol: Any) -> None:
    with serve(Reader(), http=limited_protocol) as port:
        request = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 65 * KIB
        with socket.create_connection(("127.0.0.1", port), 60) as client:
            client.sendall(request)
            assert raw_http.status(client.recv(1 << 16)) == 431
        accepted = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + b"a" * 60 * KIB + b"\r\n\r\n"
        assert raw_http.status(raw_http.exchange(port, accepted)) == 200
        body = CHUNKED + chunks(1 << 20)
        assert raw_http.status(raw_http.exchange(port, body)) == 200
