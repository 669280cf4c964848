"""One checkout as a user has it, brought up once for all tests of it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta.tables import Table
from shopnow.local_stack import airflow_api, supervision
from shopnow.settings import ROOT, Settings

MINUTE = 60
TABLES = [f"{layer}/{topic}" for layer in ("raw", "events") for topic in TOPICS] + [kpi.name for kpi in KPIS]

Shopnow = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def settings(
    tmp_path_factory: pytest.TempPathFactory, settings_on_free_ports: Callable[[Path], Settings]
) -> Settings:
    return settings_on_free_ports(tmp_path_factory.mktemp("checkout") / "data").model_copy(
        update={"traffic": "off"}
    )


@pytest.fixture(scope="session")
def shopnow(settings: Settings) -> Iterator[Shopnow]:
    """Runs `./shopnow` with some words."""
    environment = {
        f"SHOPNOW_{name.upper()}": str(value)
        for name, value in settings.model_dump(exclude_none=True).items()
    }

    def run(*words: str, check: bool = True) -> subprocess.CompletedProcess:
        command = [ROOT / "shopnow", *words]
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    yield run
    run("down")


@pytest.fixture(scope="session")
def demo(shopnow: Shopnow) -> str:
    """What the demo printed."""
    return shopnow("demo", "--sessions", "300", "--seed", "1").stdout


@pytest.fixture(scope="session")
def as_json(shopnow: Shopnow) -> Callable[..., dict]:
    """What `./shopnow … --json` prints."""
    return lambda *words: json.loads(shopnow(*words, "--json").stdout)


@pytest.fixture
def api(demo: str, settings: Settings) -> Iterator[httpx.Client]:
    with airflow_api.connect(settings) as api:
        yield api


@pytest.fixture
def ends(api: httpx.Client) -> Callable[[str, str], str]:
    """Waits for a DAG run's end and gives its state."""

    def ends(dag_id: str, run_id: str) -> str:
        def state() -> str:
            return api.get(f"/dags/{dag_id}/dagRuns/{run_id}").raise_for_status().json()["state"]

        assert supervision.wait_until(lambda: state() in {"success", "failed"}, 5 * MINUTE, interval=1)
        return state()

    return ends


@pytest.fixture
def versions(settings: Settings) -> Callable[[], dict[str, int]]:
    """The version of every table, now."""
    return lambda: {name: Table(settings.lake_uri, name).version() for name in TABLES}


@pytest.fixture
def settled(api: httpx.Client, versions: Callable[[], dict[str, int]]) -> Callable[[], dict[str, int]]:
    """Waits until what earlier tests set going is through, and gives the version of every table then."""
    since = datetime.now(UTC) - timedelta(days=1)
    seen: list[dict[str, int]] = []

    def through() -> bool:
        runs = [
            run for dag_id in ("land_events", "compute_kpis") for run in airflow_api.runs(api, dag_id, since)
        ]
        if any(run["state"] in {"queued", "running"} for run in runs):
            seen.clear()
            return False
        seen.append(versions())
        # An asset that has changed wakes the next DAG a moment later.
        return len(seen) > 3 and seen[-3] == seen[-1]

    def settled() -> dict[str, int]:
        assert supervision.wait_until(through, 5 * MINUTE, interval=2)
        return seen[-1]

    return settled
