"""The real services, started once for the suite on free ports; a test that names `kafka` or `lake` runs against them."""

import logging
import os
import secrets
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from xdist.scheduler import LoadScopeScheduling

# Before anything imports Airflow: it reads its configuration once, and must not touch the user's own.
os.environ |= {
    "AIRFLOW_HOME": tempfile.mkdtemp(prefix="shopnow-airflow-"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__SHOPNOW__TRAFFIC": "True",
    "AIRFLOW__SHOPNOW__QUARANTINE_LIMIT": "0.25",
    "AIRFLOW__SHOPNOW__LANDING_SHARES": "1",
    "PYTHONPATH": os.pathsep.join(
        str(Path(__file__).resolve().parents[1] / folder) for folder in ("include", "spark_apps")
    ),
}

# Here and not where it is used, so that it is told however many processes the suite runs in; all of them have the same.
os.environ.setdefault("SHOPNOW_CHAOS_SEED", str(secrets.randbelow(10**6)))

from shopnow.local_stack import java, spark_cds_archive, stack
from shopnow.local_stack import spark as platform_spark
from shopnow.local_stack.services import STORAGE
from shopnow.settings import Settings

pytest_plugins = ["support.full_stack"]


def pytest_report_header() -> str:
    return f"seed of the fault suite: {os.environ['SHOPNOW_CHAOS_SEED']} (set SHOPNOW_CHAOS_SEED to replay)"


class ByServices(LoadScopeScheduling):
    """Keeps the tests of e2e/ and browser/, and those of faults/, in one process each, where they share the services they start."""

    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.split("/")[1]
        shared = {"e2e": "stack", "browser": "stack", "faults": "faults"}
        return shared.get(folder) or nodeid.split("::")[0]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before the suite runs in several processes: the archive of Spark's classes, for it saves each start of Spark six seconds."""
    if not session.config.getoption("numprocesses", None):
        return
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        settings = Settings(data_dir=Path(folder))
        home = stack.install(settings, lambda subject, what: None)
        for name, value in platform_spark.environment(settings, home).items():
            environment.setenv(name, value)
        spark_cds_archive.make(platform_spark.archive(home), platform_spark.submit("warm_class_list.py"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByServices:
    return ByServices(config, log)


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now."""
    with ExitStack() as sockets:
        held = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]


def on_free_ports(data_dir: Path) -> Settings:
    names = [name for name in Settings.model_fields if name.endswith("_port")]
    return Settings(data_dir=data_dir, **dict(zip(names, free_ports(len(names)), strict=True)))


@pytest.fixture(scope="session")
def settings_on_free_ports() -> Callable[[Path], Settings]:
    """Makes the settings of a stack of its own, from the folder for its data."""
    return on_free_ports


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Kafka and HDFS of the suite's own."""
    settings = on_free_ports(tmp_path_factory.mktemp("services"))
    try:
        stack.up(settings, lambda subject, what: None, STORAGE)
        yield settings
    finally:
        stack.down(settings)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """Bootstrap servers; `SHOPNOW_TEST_KAFKA` names a running broker to use instead."""
    return os.environ.get("SHOPNOW_TEST_KAFKA") or request.getfixturevalue("storage").bootstrap_servers


@pytest.fixture
def lake(request: pytest.FixtureRequest) -> str:
    """An empty lake; `SHOPNOW_TEST_HDFS` names a running HDFS to use instead."""
    hdfs = os.environ.get("SHOPNOW_TEST_HDFS") or request.getfixturevalue("storage").lake_uri
    return f"{hdfs}/{uuid.uuid4()}"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A Spark session with the settings of the stack, in a JVM of the suite's own."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("spark"))
    with pytest.MonkeyPatch.context() as environment:
        for name, value in platform_spark.environment(settings, java.java_home(settings.data_dir)).items():
            environment.setenv(name, value)
        session = SparkSession.builder.master(platform_spark.MASTER).appName("tests").getOrCreate()
    # It still logs when the interpreter ends, to a stream that is closed by then.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    yield session
    session.stop()
