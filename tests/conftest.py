"""Real services, started once per run on free ports, for every test that uses `kafka` or `lake`."""

import os
import secrets
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

# Set before anything imports Airflow, which reads its configuration once and must not touch the user's own.
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

# Set here, not where they are used, so that all processes share the seeds and the header prints them.
os.environ.setdefault("SHOPNOW_CHAOS_SEED", str(secrets.randbelow(10**6)))
os.environ.setdefault("SHOPNOW_TEST_SEED", str(secrets.randbelow(10**6)))

from shopnow.settings import Settings
from support.storage_services import run_kafka_with_shared_hdfs, run_storage

pytest_plugins = ["support.full_stack", "support.spark_sessions"]

SEEDS = ("SHOPNOW_CHAOS_SEED", "SHOPNOW_TEST_SEED")
"""Seeds of the fault suite and of the other randomized tests; set them to replay a run."""


def pytest_report_header() -> str:
    return f"random seeds: {' '.join(f'{name}={os.environ[name]}' for name in SEEDS)} (set them to replay)"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--leave-out", action="append", default=[], help="deselect the tests that need this tool"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = set(config.getoption("leave_out"))
    deselected = [item for item in items for mark in item.iter_markers("needs") if left_out & {*mark.args}]
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if item not in deselected]


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Running Kafka and HDFS of the suite."""
    directory = tmp_path_factory.mktemp("services")
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Only the directory of the run is shared by its processes.
        shared = tmp_path_factory.getbasetemp().parent / "hdfs"
        with run_kafka_with_shared_hdfs(directory, shared) as settings:
            yield settings
    else:
        with run_storage(directory) as settings:
            yield settings


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """Bootstrap servers of the suite's Kafka, or of the running one that `SHOPNOW_TEST_KAFKA` names."""
    return os.environ.get("SHOPNOW_TEST_KAFKA") or request.getfixturevalue("storage").bootstrap_servers


@pytest.fixture(scope="session")
def hdfs(request: pytest.FixtureRequest) -> str:
    """A URI on the suite's HDFS, or on the running one that `SHOPNOW_TEST_HDFS` names."""
    return os.environ.get("SHOPNOW_TEST_HDFS") or request.getfixturevalue("storage").lake_uri


@pytest.fixture
def lake(hdfs: str) -> str:
    """The URI of an empty lake."""
    return f"{hdfs}/{uuid.uuid4()}"


@pytest.fixture
def local_lake(tmp_path: Path) -> str:
    """The URI of an empty lake in a folder, for tests that write no file by HDFS' own client.

    Landing, compaction, VACUUM and the changes of raw records do; KPIs only need Delta tables.
    """
    return f"file://{tmp_path}/lake"
