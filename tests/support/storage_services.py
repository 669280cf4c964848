"""Kafka and HDFS for the tests; parallel pytest processes share one HDFS.

They do not share Kafka, because the traffic generator fences every other generator of the same broker.
"""

import fcntl
import json
import os
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from shopnow.local_stack import stack as local_stack
from shopnow.local_stack.services import HDFS_SERVICES, STORAGE_SERVICES
from shopnow.settings import Settings
from support.free_ports import settings_on_free_ports

WITHOUT_OPTIMIZING_COMPILER = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}
"""Environment of JVMs that live for minutes only: without C2, which takes half of their CPU time."""


@contextmanager
def run_storage(directory: Path) -> Iterator[Settings]:
    """Run Kafka and HDFS with their data in this directory."""
    settings = settings_on_free_ports(directory)
    with _stopped_at_end(settings):
        with without_optimizing_compiler():
            _up(settings, STORAGE_SERVICES)
        yield settings


@contextmanager
def run_kafka_with_shared_hdfs(directory: Path, shared: Path) -> Iterator[Settings]:
    """Run a Kafka with its data in `directory`, and the HDFS of all processes that name `shared`."""
    settings = settings_on_free_ports(directory)
    with ExitStack() as stack:
        stack.enter_context(_stopped_at_end(settings))
        with without_optimizing_compiler(), ThreadPoolExecutor(1) as pool:
            kafka = pool.submit(_up, settings, ["kafka"])
            hdfs = stack.enter_context(_shared_hdfs(shared))
            kafka.result()
        own = {f"{name}_port": port for name, port in settings.ports.items()}
        of_hdfs = {name: port for name, port in hdfs.items() if "node" in name}
        yield Settings(data_dir=directory, **(own | of_hdfs))


@contextmanager
def _shared_hdfs(directory: Path) -> Iterator[dict[str, int]]:
    """Start HDFS, or use the one that another process has started; the last that uses it stops it."""
    ports, users, data = (directory / name for name in ("ports.json", "users", "data"))
    directory.mkdir(exist_ok=True)
    try:
        with _locked(directory):
            if not ports.exists():
                settings = settings_on_free_ports(data)
                _up(settings, HDFS_SERVICES)
                ports.write_text(json.dumps({f"{name}_port": port for name, port in settings.ports.items()}))
            users.mkdir(exist_ok=True)
            (users / str(os.getpid())).touch()
        yield json.loads(ports.read_text())
    finally:
        with _locked(directory):
            (users / str(os.getpid())).unlink(missing_ok=True)
            if not (users.exists() and any(users.iterdir())):
                local_stack.down(Settings(data_dir=data))


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _stopped_at_end(settings: Settings) -> Iterator[None]:
    try:
        yield
    finally:
        local_stack.down(settings)


@contextmanager
def without_optimizing_compiler() -> Iterator[None]:
    """Start JVMs, and a supervisord that starts more of them, without C2."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in WITHOUT_OPTIMIZING_COMPILER.items():
            environment.setenv(name, value)
        yield


def _up(settings: Settings, services: Collection[str]) -> None:
    local_stack.up(settings, lambda subject, what: None, services)
