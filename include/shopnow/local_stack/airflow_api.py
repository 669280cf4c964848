"""Airflow's REST API, as far as the command line and the metrics need it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx

from shopnow.errors import UserError
from shopnow.local_stack import airflow
from shopnow.settings import ROOT, Settings

MAX_ATTEMPTS = 5


@contextmanager
def connect(settings: Settings) -> Iterator[httpx.Client]:
    """A client of this machine's Airflow, logged in as the admin.

    Raises:
        UserError: Airflow does not answer, or answers with an error.
    """
    address = airflow.url(settings)
    try:
        with log_in(address, airflow.ADMIN_USER, airflow.password(settings)) as api:
            yield api
    except httpx.HTTPStatusError as error:
        raise UserError(
            f"Airflow at {address} refused {error.request.url.path}: {error.response.text[:300]}"
        ) from None
    except (httpx.TransportError, FileNotFoundError):
        raise UserError(f"Airflow at {address} does not answer: run ./shopnow up") from None


@contextmanager
def log_in(
    address: str, username: str, password: str, patience_seconds: float = 60
) -> Iterator[httpx.Client]:
    """A client of the Airflow at an address, logged in as a user; waits so long for each answer.

    Raises:
        httpx.HTTPError: Airflow does not answer, or answers with an error.
    """
    headers = {"Authorization": f"Bearer {fetch_token(address, username, password, patience_seconds)}"}
    with httpx.Client(base_url=f"{address}/api/v2", headers=headers, timeout=patience_seconds) as client:
        yield client


def fetch_token(address: str, username: str, password: str, patience_seconds: float = 60) -> str:
    """What a user is known by to the Airflow at an address.

    Raises:
        httpx.HTTPError: Airflow does not answer, or refuses.
    """
    login = {"username": username, "password": password}
    return (
        httpx.post(f"{address}/auth/token", json=login, timeout=patience_seconds)
        .raise_for_status()
        .json()["access_token"]
    )


def are_dags_parsed(api: httpx.Client) -> bool:
    """Whether Airflow knows every DAG file, or says why it cannot load one.

    Raises:
        UserError: a DAG file does not load.
    """
    errors = api.get("/importErrors").raise_for_status().json()["import_errors"]
    if errors:
        raise UserError(
            f"{errors[0]['filename']} does not load: {errors[0]['stack_trace'].strip().splitlines()[-1]}"
        )
    return {file.stem for file in (ROOT / "dags").glob("*.py")} <= {dag["dag_id"] for dag in list_dags(api)}


def list_dags(api: httpx.Client) -> list[dict[str, Any]]:
    return api.get("/dags", params={"limit": 100}).raise_for_status().json()["dags"]


def unpause_dags(api: httpx.Client) -> None:
    """Lets every DAG run.

    Raises:
        httpx.HTTPStatusError: Airflow refuses, or fails time and again.
    """
    if any(dag["is_paused"] for dag in list_dags(api)):
        _retry_server_errors(
            lambda: api.patch("/dags", params={"dag_id_pattern": "%"}, json={"is_paused": False})
        ).raise_for_status()


def trigger(api: httpx.Client, dag_id: str, conf: dict[str, Any]) -> str:
    """Starts a DAG run, once; returns its run id.

    Raises:
        httpx.HTTPStatusError: Airflow refuses, or fails time and again.
    """
    run_id = f"manual__{datetime.now(UTC).isoformat()}"
    order = {"logical_date": None, "conf": conf, "dag_run_id": run_id}
    answer = _retry_server_errors(lambda: api.post(f"/dags/{dag_id}/dagRuns", json=order))
    # One that failed may have been done all the same: that is a conflict then, as the id is ours.
    if answer.status_code != httpx.codes.CONFLICT:
        answer.raise_for_status()
    return run_id


def _retry_server_errors(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer to what may be asked repeatedly, the first that is no failure of Airflow's own, or else the last.

    With SQLite a request fails now and then: Airflow writes to its log of actions in the loop that another request, which holds the
    database, needs to end (api_fastapi/logging/decorators.py, 3.3), and neither goes on until the database gives up waiting.
    """
    for _ in range(MAX_ATTEMPTS):
        answer = ask()
        if answer.status_code < 500:
            break
    return answer


def list_runs(api: httpx.Client, dag_id: str, since: datetime) -> list[dict[str, Any]]:
    """The runs of a DAG that were queued since then, oldest first."""
    params: dict[str, str | int] = {"run_after_gte": since.isoformat(), "order_by": "run_after", "limit": 100}
    return api.get(f"/dags/{dag_id}/dagRuns", params=params).raise_for_status().json()["dag_runs"]


def last_finished_run(api: httpx.Client, dag_id: str) -> dict[str, Any] | None:
    """The run of a DAG that ended last, if one has."""
    params: dict[str, Any] = {"state": ["success", "failed"], "order_by": "-end_date", "limit": 1}
    return next(
        iter(api.get(f"/dags/{dag_id}/dagRuns", params=params).raise_for_status().json()["dag_runs"]), None
    )


def list_active_runs(api: httpx.Client) -> list[dict[str, Any]]:
    """The runs of all DAGs that are queued or running, a hundred at most."""
    params: dict[str, Any] = {"state": ["queued", "running"], "limit": 100}
    return api.get("/dags/~/dagRuns", params=params).raise_for_status().json()["dag_runs"]
