"""A client of Airflow's REST API, with the calls that the command line, the monitor and the exporter need."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx

from shopnow.errors import UserError
from shopnow.local_stack import airflow
from shopnow.settings import ROOT, Settings

MAX_ATTEMPTS = 5
MAX_PAGE_SIZE = 100
"""The most rows that Airflow returns for one request."""


@contextmanager
def connect(settings: Settings) -> Iterator[httpx.Client]:
    """Yield a client of this machine's Airflow, logged in as the admin.

    Raises:
        UserError: Airflow does not answer, or answers with an error.
    """
    address = airflow.url(settings)
    try:
        with log_in(address, airflow.ADMIN_USER, airflow.password(settings)) as api:
            yield api
    except httpx.HTTPStatusError as error:
        raise UserError(
            f"Airflow at {address} answered {error.response.status_code} to {error.request.url.path}: "
            f"{error.response.text[:300]}"
        ) from None
    except (httpx.TransportError, FileNotFoundError):
        raise UserError(f"Airflow at {address} does not answer: run ./shopnow up") from None


@contextmanager
def log_in(address: str, username: str, password: str, timeout_seconds: float = 60) -> Iterator[httpx.Client]:
    """Yield a client of the Airflow at an address, logged in as a user; the timeout is per request.

    Raises:
        httpx.HTTPError: Airflow does not answer, or answers with an error.
    """
    headers = {"Authorization": f"Bearer {fetch_token(address, username, password, timeout_seconds)}"}
    with httpx.Client(base_url=f"{address}/api/v2", headers=headers, timeout=timeout_seconds) as client:
        yield client


def fetch_token(address: str, username: str, password: str, timeout_seconds: float = 60) -> str:
    """Log in and return the user's access token.

    Raises:
        httpx.HTTPError: Airflow does not answer, or rejects the login.
    """
    credentials = {"username": username, "password": password}
    return (
        httpx.post(f"{address}/auth/token", json=credentials, timeout=timeout_seconds)
        .raise_for_status()
        .json()["access_token"]
    )


def are_dags_parsed(api: httpx.Client) -> bool:
    """Return whether Airflow has parsed every file in `dags/`.

    Raises:
        UserError: a file has an import error.
    """
    errors = api.get("/importErrors").raise_for_status().json()["import_errors"]
    if errors:
        last_line = errors[0]["stack_trace"].strip().splitlines()[-1]
        raise UserError(f"Airflow cannot import {errors[0]['filename']}: {last_line}")
    return {file.stem for file in (ROOT / "dags").glob("*.py")} <= {dag["dag_id"] for dag in list_dags(api)}


def list_dags(api: httpx.Client) -> list[dict[str, Any]]:
    return api.get("/dags", params={"limit": MAX_PAGE_SIZE}).raise_for_status().json()["dags"]


def unpause_dags(api: httpx.Client) -> None:
    """Unpause every DAG, if any is paused.

    Raises:
        httpx.HTTPStatusError: Airflow refuses, or fails at every attempt.
    """
    if any(dag["is_paused"] for dag in list_dags(api)):
        retry_server_errors(
            lambda: api.patch("/dags", params={"dag_id_pattern": "%"}, json={"is_paused": False})
        ).raise_for_status()


def trigger(api: httpx.Client, dag_id: str, conf: dict[str, Any]) -> str:
    """Trigger one DAG run; returns its run id.

    Raises:
        httpx.HTTPStatusError: Airflow refuses, or fails at every attempt.
    """
    run_id = f"manual__{datetime.now(UTC).isoformat()}"
    request = {"logical_date": None, "conf": conf, "dag_run_id": run_id}
    response = retry_server_errors(lambda: api.post(f"/dags/{dag_id}/dagRuns", json=request))
    # A conflict means that a failed attempt took effect after all: nobody else uses this run id.
    if response.status_code != httpx.codes.CONFLICT:
        response.raise_for_status()
    return run_id


def retry_server_errors(send: Callable[[], httpx.Response]) -> httpx.Response:
    """Send an idempotent request until Airflow answers without a server error; returns the last response.

    One is expected for a moment after a service was restarted.
    """
    for _ in range(MAX_ATTEMPTS):
        response = send()
        if response.status_code < 500:
            break
    return response


def list_runs(api: httpx.Client, dag_id: str, since: datetime) -> list[dict[str, Any]]:
    """Return the runs of a DAG that were due since a time, oldest first; the first hundred."""
    params: dict[str, str | int] = {
        "run_after_gte": since.isoformat(),
        "order_by": "run_after",
        "limit": MAX_PAGE_SIZE,
    }
    return api.get(f"/dags/{dag_id}/dagRuns", params=params).raise_for_status().json()["dag_runs"]


def list_latest_runs(api: httpx.Client) -> list[dict[str, Any]]:
    """Return the latest hundred runs of all DAGs, newest first."""
    params: dict[str, str | int] = {"order_by": "-run_after", "limit": MAX_PAGE_SIZE}
    return api.get("/dags/~/dagRuns", params=params).raise_for_status().json()["dag_runs"]


def last_finished_run(api: httpx.Client, dag_id: str) -> dict[str, Any] | None:
    """Return the run of a DAG that finished last; None if no run has finished."""
    params: dict[str, Any] = {"state": ["success", "failed"], "order_by": "-end_date", "limit": 1}
    runs = api.get(f"/dags/{dag_id}/dagRuns", params=params).raise_for_status().json()["dag_runs"]
    return runs[0] if runs else None


def list_active_runs(api: httpx.Client) -> list[dict[str, Any]]:
    """Return the queued and running runs of all DAGs, a hundred at most."""
    params: dict[str, Any] = {"state": ["queued", "running"], "limit": MAX_PAGE_SIZE}
    return api.get("/dags/~/dagRuns", params=params).raise_for_status().json()["dag_runs"]
