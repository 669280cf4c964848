"""Fixtures of a full local stack, brought up by `./shopnow` once for all tests that use it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import httpx
import pytest

from shopnow import connections
from shopnow.audit.audit_log import Check
from shopnow.audit.verify import verify
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta.tables import Table
from shopnow.local_stack import airflow_api, supervision
from shopnow.settings import ROOT, Settings
from support.free_ports import settings_on_free_ports
from support.storage_services import WITHOUT_OPTIMIZING_COMPILER

MINUTE = 60
APPROVE = "/dags/approve_restock/dagRuns"
FINAL_STATES = {"success", "failed"}
"""States of a DAG run that has ended."""
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
    environment = WITHOUT_OPTIMIZING_COMPILER | {
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


@pytest.fixture(scope="session")
def api(demo: str, settings: Settings) -> Iterator[httpx.Client]:
    with airflow_api.connect(settings) as api:
        yield api


@pytest.fixture(scope="session")
def ends(api: httpx.Client) -> Callable[[str, str], str]:
    """Wait for a DAG run to end; returns its final state."""

    def ends(dag_id: str, run_id: str) -> str:
        def state() -> str:
            return get(api, f"/dags/{dag_id}/dagRuns/{run_id}")["state"]

        assert supervision.wait_until(lambda: state() in FINAL_STATES, 5 * MINUTE, interval=0.5)
        return state()

    return ends


def get(api: httpx.Client, path: str) -> dict[str, Any]:
    """Return what Airflow's API has at a path."""
    return airflow_api.retry_server_errors(lambda: api.get(path)).raise_for_status().json()


def answer_approval(api: httpx.Client, run_id: str, option: str, **params: object) -> dict:
    """Answer the approval task of a run until the run has ended; returns the form as it was shown.

    The answer may have to be repeated: one that arrives before the scheduler has noticed that the task waits
    makes the task fail and ask again.
    """
    form_path, form = f"{APPROVE}/{run_id}/taskInstances/approve/-1/hitlDetails", {}

    def has_ended() -> bool:
        if get(api, f"{APPROVE}/{run_id}/taskInstances/approve")["state"] == "awaiting_input":
            form.update(get(api, form_path))
            api.patch(form_path, json={"chosen_options": [option], "params_input": params})
        return get(api, f"{APPROVE}/{run_id}")["state"] in FINAL_STATES

    assert supervision.wait_until(has_ended, 5 * MINUTE, interval=0.5)
    assert get(api, f"{APPROVE}/{run_id}")["state"] == "success"
    return form


@pytest.fixture(scope="session")
def versions(settings: Settings) -> Callable[[], dict[str, int]]:
    """Return the current version of every table."""
    return lambda: {name: Table(settings.lake_uri, name).version() for name in TABLES}


@pytest.fixture(scope="session")
def mails(settings: Settings) -> Callable[[str], list[EmailMessage]]:
    """Return the mails that contain a text, oldest first."""

    def find(text: str) -> list[EmailMessage]:
        files = sorted((settings.data_dir / "smtp").glob("*.eml"))
        mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
        return [mail for mail in mails if text in mail.as_string()]

    return find


@pytest.fixture(scope="session")
def broken_checks(settings: Settings) -> Callable[[], list[Check]]:
    """Run `verify`; returns the checks that do not hold."""
    conf = connections.kafka_conf(connections.load(settings))
    return lambda: [check for check in verify(conf, settings.lake_uri) if not check.ok]
