"""Fixtures of a full local stack, brought up by `./shopnow` once for all tests that use it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta.tables import Table
from shopnow.local_stack import airflow_api, supervision
from shopnow.settings import ROOT, Settings
from support.free_ports import settings_on_free_ports

MINUTE = 60
TABLES = [f"{layer}/{topic}" for layer in ("raw", "events") for topic in TOPICS] + [kpi.name for kpi in KPIS]

Shopnow = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of the stack under test, which generates no traffic by itself."""
    return settings_on_free_ports(tmp_path_factory.mktemp("checkout") / "data").model_copy(
        update={"traffic": "off"}
    )


@pytest.fixture(scope="session")
def shopnow(settings: Settings) -> Iterator[Shopnow]:
    """Run `./shopnow` with these arguments; stops the stack in the end."""
    environment = {
        f"SHOPNOW_{name.upper()}": str(value)
        for name, value in settings.model_dump(exclude_none=True).items()
    }

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        command = [ROOT / "shopnow", *arguments]
        process = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
        assert not check or process.returncode == 0, f"{arguments}: {process.stdout}\n{process.stderr}"
        assert "Traceback" not in process.stderr
        return process

    yield run
    run("down")


@pytest.fixture(scope="session")
def demo(shopnow: Shopnow) -> str:
    """The standard output of `./shopnow demo`."""
    return shopnow("demo", "--sessions", "300", "--seed", "1").stdout


@pytest.fixture(scope="session")
def as_json(shopnow: Shopnow) -> Callable[..., dict]:
    """Run `./shopnow … --json` and parse its output."""
    return lambda *arguments: json.loads(shopnow(*arguments, "--json").stdout)


@pytest.fixture
def api(demo: str, settings: Settings) -> Iterator[httpx.Client]:
    with airflow_api.connect(settings) as api:
        yield api


@pytest.fixture
def ends(api: httpx.Client) -> Callable[[str, str], str]:
    """Wait for a DAG run to end; returns its final state."""

    def ends(dag_id: str, run_id: str) -> str:
        def state() -> str:
            return api.get(f"/dags/{dag_id}/dagRuns/{run_id}").raise_for_status().json()["state"]

        assert supervision.wait_until(lambda: state() in {"success", "failed"}, 5 * MINUTE, interval=1)
        return state()

    return ends


@pytest.fixture
def versions(settings: Settings) -> Callable[[], dict[str, int]]:
    """Return the current version of every table."""
    return lambda: {name: Table(settings.lake_uri, name).version() for name in TABLES}


@pytest.fixture
def settled(api: httpx.Client, versions: Callable[[], dict[str, int]]) -> Callable[[], dict[str, int]]:
    """Wait until the runs that earlier tests triggered have ended; returns every table's version then."""
    since = datetime.now(UTC) - timedelta(days=1)
    samples: list[dict[str, int]] = []

    def is_idle() -> bool:
        runs = [
            run
            for dag_id in ("land_events", "compute_kpis")
            for run in airflow_api.list_runs(api, dag_id, since)
        ]
        if any(run["state"] in {"queued", "running"} for run in runs):
            samples.clear()
            return False
        samples.append(versions())
        # A changed asset triggers the next DAG with a delay, so the versions must hold for some samples.
        return len(samples) > 3 and samples[-3] == samples[-1]

    def settled() -> dict[str, int]:
        assert supervision.wait_until(is_idle, 5 * MINUTE, interval=2)
        return samples[-1]

    return settled
