"""Acknowledging and silencing from the pages: DAG runs in the user's name, shown on the stock page."""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from airflow.api_fastapi.core_api.security import get_user
from airflow.exceptions import DagRunAlreadyExists
from deltalake import write_deltalake
from fastapi import HTTPException
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from shopnow.alerts import commands
from shopnow.alerts.commands import Attribution
from shopnow.alerts.evaluate import STOCK, evaluate
from shopnow.ids import uuid7
from shopnow.lake.delta.tables import Table
from shopnow_tab_app.app import create
from shopnow_tab_app.pages import alerts, stock
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.replica.server import ReplicaServer
from shopnow_tab_app.routes import access, alert_actions
from shopnow_tab_app.sources import runs
from support.local_replica import local_replica

WRITES = {access.HEADER: "1"}
LATER = datetime.now(UTC) + timedelta(hours=2)
ALERT = "stock_out:mug"


def run(
    run_id: str, conf: dict[str, Any], triggering_user_name: str = "anna", **ignored: Any
) -> SimpleNamespace:
    """A run of Airflow's database."""
    fields = {"dag_id": alert_actions.DAG, "state": "queued", "start_date": None, "end_date": None}
    return SimpleNamespace(run_id=run_id, conf=conf, triggering_user_name=triggering_user_name, **fields)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, SimpleNamespace]:
    """The started runs, by id, in place of Airflow's database."""
    runs_by_id: dict[str, SimpleNamespace] = {}

    def trigger(dag_id: str, run_id: str, **arguments: Any) -> SimpleNamespace:
        assert dag_id == alert_actions.DAG
        if run_id in runs_by_id:
            raise DagRunAlreadyExists(runs_by_id[run_id])
        return runs_by_id.setdefault(run_id, run(run_id, **arguments))

    monkeypatch.setattr("airflow.api.common.trigger_dag.trigger_dag", trigger)
    return runs_by_id


@pytest.fixture
def api(empty: ReplicaServer, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The app for a user with all permissions."""
    monkeypatch.setattr(
        "airflow.api_fastapi.core_api.security.requires_access_dag", lambda *rights: lambda: None
    )
    app = create(empty, conf=dict)
    app.dependency_overrides[get_user] = lambda: SimpleNamespace(get_name=lambda: "anna")
    return TestClient(app)


def request_body(**fields: Any) -> dict[str, Any]:
    request_id = uuid7(round(time.time() * 1000), uuid.uuid4().hex)
    return {"request_id": request_id, "alert": ALERT, "reason": "ordered <b>more</b>", **fields}


def test_acknowledgement_starts_one_run_in_the_users_name(
    api: TestClient, started: dict[str, SimpleNamespace]
) -> None:
    body = request_body()
    first, second = (api.post("/api/alerts/acknowledge", json=body, headers=WRITES) for _ in range(2))
    assert first.status_code == 202
    assert second.json() == first.json()
    [dag_run] = started.values()
    assert dag_run.conf == {"action": "acknowledge", "alert": ALERT, "reason": "ordered <b>more</b>"}
    assert (first.json()["by"], first.json()["run"]["run_id"], first.json()["run"]["state"]) == (
        "anna",
        dag_run.run_id,
        "queued",
    )


def test_request_id_of_another_action_is_refused(
    api: TestClient, started: dict[str, SimpleNamespace]
) -> None:
    body = request_body()
    assert api.post("/api/alerts/acknowledge", json=body, headers=WRITES).status_code == 202
    for action, other in (
        ("acknowledge", {**body, "reason": "another"}),
        ("silence", {**body, "until": LATER.isoformat()}),
    ):
        assert api.post(f"/api/alerts/{action}", json=other, headers=WRITES).status_code == 409
    assert len(started) == 1


def test_silence_passes_its_end_to_the_run(api: TestClient, started: dict[str, SimpleNamespace]) -> None:
    answer = api.post(
        "/api/alerts/silence", json=request_body(alert="stock_out", until=LATER.isoformat()), headers=WRITES
    )
    assert (answer.status_code, answer.json()["action"], answer.json()["alert"]) == (
        202,
        "silence",
        "stock_out",
    )
    [dag_run] = started.values()
    assert datetime.fromisoformat(dag_run.conf["until"]) == LATER


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("acknowledge", {"reason": "  "}),
        ("acknowledge", {"reason": "x" * (commands.MAX_REASON_LENGTH + 1)}),
        ("acknowledge", {"alert": ""}),
        ("acknowledge", {"request_id": "x"}),
        ("silence", {}),
        ("silence", {"until": "2026-01-01T00:00:00Z"}),
        ("silence", {"until": "2126-01-01T00:00:00"}),
    ],
)
def test_invalid_request_starts_no_run(
    api: TestClient, started: dict[str, SimpleNamespace], action: str, fields: dict[str, Any]
) -> None:
    assert api.post(f"/api/alerts/{action}", json=request_body(**fields), headers=WRITES).status_code == 422
    assert not started


@pytest.mark.parametrize("action", ["acknowledge", "silence"])
def test_requests_of_other_sites_and_without_permission_are_rejected(
    api: TestClient,
    empty: ReplicaServer,
    started: dict[str, SimpleNamespace],
    monkeypatch: pytest.MonkeyPatch,
    action: str,
) -> None:
    body = request_body(until=LATER.isoformat())
    assert api.post(f"/api/alerts/{action}", json=body).status_code == 403
    for origin in ("https://evil.example", "null", "http://[::1", ""):
        headers = {**WRITES, "Origin": origin}
        assert api.post(f"/api/alerts/{action}", json=body, headers=headers).status_code == 403, origin

    def refuse(method: str, entity: Any, dag_id: str) -> Callable[[], None]:
        def refused() -> None:
            if dag_id == alert_actions.DAG:
                raise HTTPException(403)

        return refused

    monkeypatch.setattr("airflow.api_fastapi.core_api.security.requires_access_dag", refuse)
    app = create(empty, conf=dict)
    app.dependency_overrides[get_user] = lambda: SimpleNamespace(get_name=lambda: "viewer")
    assert TestClient(app).post(f"/api/alerts/{action}", json=body, headers=WRITES).status_code == 403
    assert not started


def test_unavailable_airflow_database_is_reported(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*arguments: str, **options: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr("airflow.api.common.trigger_dag.trigger_dag", locked)
    answer = api.post("/api/alerts/acknowledge", json=request_body(), headers=WRITES)
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "Airflow's database does not answer; try again",
    )


@pytest.fixture
def firing(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ReplicaServer]]:
    """The address of a lake where an alert fires because the mug is sold out, and its replica."""
    address = tmp_path.as_uri()
    mug = {
        "product_id": "mug",
        "product_name": "Mug",
        "quantity": 0,
        "last_event_time": datetime(2026, 7, 1, tzinfo=UTC),
        "last_offset": 0,
    }
    write_deltalake(Table(address, STOCK).uri, pa.Table.from_pylist([mug]))
    evaluate(address, "run-1")
    with local_replica(address, tmp_path_factory.mktemp("replica")) as lake:
        yield address, lake


def test_page_shows_acknowledgements_active_silences_and_actions_in_progress(
    firing: tuple[str, ReplicaServer],
) -> None:
    address, lake = firing
    commands.acknowledge(address, ALERT, Attribution("anna", "ordered"))
    commands.silence(address, "stock_out", LATER + timedelta(hours=1), Attribution("anna", "moving house"))
    commands.silence(address, "stock_out", LATER, Attribution("ben", "moving house"))
    action = alerts.AlertAction(
        action="silence",
        alert=ALERT,
        by="anna",
        refused=None,
        run=runs.Run(dag_id=alert_actions.DAG, run_id="r", state="running", started=None, ended=None),
    )

    def page(now: datetime) -> stock.Stock:
        return stock.build(lake, [action], now, Query(), lake.state(stock.TABLES))

    current = page(datetime.now(UTC))
    [alert] = current.alerts
    assert (alert.state, alert.by, alert.reason) == ("acknowledged", "anna", "ordered")
    assert [(silence.target, silence.until, silence.by) for silence in current.silences] == [
        ("stock_out", LATER, "ben")
    ]
    assert current.acts == [action]
    assert page(LATER).silences == []
