"""The stream of changes of an open page, from a server process of its own: pushed, bounded, and ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from factories import sample_lake
from factories.stock_out import sold
from shopnow.events import encode
from shopnow.local_stack import supervision
from shopnow.settings import ROOT
from support.free_ports import free_ports
from support.kafka_topics import send

TIMEOUT_SECONDS = 30.0
SERVER = """
import json, sys
import uvicorn
from airflow.api_fastapi.core_api import security
security.requires_access_dag = lambda *rights: lambda: None
from shopnow_tab_app.app import create
from shopnow_tab_app.pages import changes
from shopnow_tab_app.replica import tables
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.sources.topic_tail import TopicTail

port, address, conf, changes.MAX_SUBSCRIPTIONS = json.loads(sys.argv[1])
lake = LakeReplica(lambda: address, tables.COPIES, tables.DERIVED)
app = create(lake, TopicTail(lambda: conf), lambda: conf)
app.dependency_overrides[security.get_user] = lambda: None
uvicorn.run(app, port=port, log_level="warning", timeout_graceful_shutdown=120)
lake.close()
"""


@pytest.fixture
def server(conf: dict[str, str], lake: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a server that accepts two streams, and its process."""
    [port] = free_ports(1)
    command = [sys.executable, "-c", SERVER, json.dumps([port, lake, conf, 2])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        address = f"http://127.0.0.1:{port}/api"

        def is_up() -> bool:
            with suppress(httpx.TransportError):
                return httpx.get(f"{address}/activity", timeout=TIMEOUT_SECONDS).is_success
            return False

        assert supervision.wait_until(is_up, 2 * TIMEOUT_SECONDS)
        yield address, process
        process.kill()


@contextmanager
def stream(address: str, page: str) -> Iterator[Iterator[tuple[str, object]]]:
    """Open the stream of a page and yield its events, for a limited time: kind and data."""
    deadline = time.monotonic() + TIMEOUT_SECONDS

    def events(lines: Iterator[str]) -> Iterator[tuple[str, object]]:
        kind = ""
        for line in lines:  # also comments, which keep the connection alive
            if time.monotonic() > deadline:
                raise TimeoutError
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)

    with httpx.stream("GET", f"{address}/changes", params={"page": page}, timeout=TIMEOUT_SECONDS) as answer:
        answer.raise_for_status()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.iter_lines())


def test_events_of_any_producer_and_new_versions_of_tables_are_pushed(server, conf, lake):
    address, _ = server
    with stream(address, "orders") as events:
        assert next(events) == ("open", "orders")
        send(conf, "stock", [encode(sold("pushed", 3))])
        _, data = next(event for event in events if event[0] == "activity" and "pushed" in str(event[1]))
        assert data == httpx.get(f"{address}/activity", params={"limit": 40}).json()
        sample_lake.write_lake(lake, 50, 1)

        def orders() -> int:
            return httpx.get(f"{address}/orders", timeout=TIMEOUT_SECONDS).json()["total"]

        while next(events) != ("page", "orders") or not orders():
            pass


def test_more_pages_than_the_limit_are_refused_until_one_closes(server):
    address, _ = server
    with stream(address, "orders") as first:
        next(first)
        with stream(address, "stock") as second:
            next(second)
            refused = httpx.get(f"{address}/changes", params={"page": "orders"}, timeout=TIMEOUT_SECONDS)
            assert refused.status_code == 503
            assert "this one polls instead" in refused.json()["detail"]

    def is_open_again() -> bool:
        with suppress(httpx.HTTPStatusError), stream(address, "orders") as third:
            return next(third)[0] == "open"
        return False

    assert supervision.wait_until(is_open_again, TIMEOUT_SECONDS)


def test_an_open_stream_does_not_keep_the_server_from_ending(server):
    address, process = server
    with stream(address, "orders") as events:
        next(events)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) in (0, -signal.SIGTERM)
