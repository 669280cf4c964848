"""Acknowledging and silencing from the pages: runs of the DAG in the person's name, and what the page shows of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
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

from shopnow.alerts import commands as shop
from shopnow.alerts.commands import Attribution
from shopnow.alerts.evaluate import STOCK, evaluate
from shopnow.ids import uuid7
from shopnow.lake.delta.tables import Table
from shopnow_tab_app import runs
from shopnow_tab_app.app import create
from shopnow_tab_app.pages import stock
from shopnow_tab_app.replica import tables
from shopnow_tab_app.replica.client import Lake
from shopnow_tab_app.routes import access, alert_actions

WRITES = {access.HEADER: "1"}
LATER = datetime.now(UTC) + timedelta(hours=2)
ALERT = "stock_out:mug"


def run(
    run_id: str, conf: dict[str, Any], triggering_user_name: str = "anna", **others: Any
) -> SimpleNamespace:
    """A run as Airflow's database has it."""
    own = {"dag_id": alert_actions.DAG, "state": "queued", "start_date": None, "end_date": None}
    return SimpleNamespace(run_id=run_id, conf=conf, triggering_user_name=triggering_user_name, **own)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, SimpleNamespace]:
    """The runs that were started, by id, in the place of Airflow's database."""
    found: dict[str, SimpleNamespace] = {}

    def trigger(dag_id: str, run_id: str, **given: Any) -> SimpleNamespace:
        assert dag_id == alert_actions.DAG
        if run_id in found:
            raise DagRunAlreadyExists(found[run_id])
        return found.setdefault(run_id, run(run_id, **given))

    monkeypatch.setattr("airflow.api.common.trigger_dag.trigger_dag", trigger)
    return found


@pytest.fixture
def api(empty: Lake, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The app for Anna, who may do everything."""
    monkeypatch.setattr(
        "airflow.api_fastapi.core_api.security.requires_access_dag", lambda *rights: lambda: None
    )
    app = create(empty, conf=dict)
    app.dependency_overrides[get_user] = lambda: SimpleNamespace(get_name=lambda: "anna")
    return TestClient(app)


def asked(**given: Any) -> dict[str, Any]:
    request_id = uuid7(round(time.time() * 1000), f"{time.time_ns():032x}")
    return {"request_id": request_id, "alert": ALERT, "reason": "ordered <b>more</b>", **given}


def test_acknowledgement_is_a_run_in_the_persons_name_started_once(
    api: TestClient, started: dict[str, SimpleNamespace]
) -> None:
    body = asked()
    first, again = (api.post("/api/alerts/acknowledge", json=body, headers=WRITES) for _ in range(2))
    assert first.status_code == 202
    assert again.json() == first.json()
    [it] = started.values()
    assert it.conf == {"action": "acknowledge", "alert": ALERT, "reason": "ordered <b>more</b>"}
    assert (first.json()["by"], first.json()["run"]["run_id"], first.json()["run"]["state"]) == (
        "anna",
        it.run_id,
        "queued",
    )


def test_silence_says_until_when(api: TestClient, started: dict[str, SimpleNamespace]) -> None:
    answer = api.post(
        "/api/alerts/silence", json=asked(alert="stock_out", until=LATER.isoformat()), headers=WRITES
    )
    assert (answer.status_code, answer.json()["action"], answer.json()["alert"]) == (
        202,
        "silence",
        "stock_out",
    )
    [it] = started.values()
    assert datetime.fromisoformat(it.conf["until"]) == LATER


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("acknowledge", {"reason": "  "}),
        ("acknowledge", {"reason": "x" * (shop.LONGEST_WHY + 1)}),
        ("acknowledge", {"alert": ""}),
        ("acknowledge", {"request_id": "x"}),
        ("silence", {}),
        ("silence", {"until": "2026-01-01T00:00:00Z"}),
        ("silence", {"until": "2126-01-01T00:00:00"}),
    ],
)
def test_what_is_wrong_starts_nothing(
    api: TestClient, started: dict[str, SimpleNamespace], action: str, given: dict[str, Any]
) -> None:
    assert api.post(f"/api/alerts/{action}", json=asked(**given), headers=WRITES).status_code == 422
    assert not started


@pytest.mark.parametrize("action", ["acknowledge", "silence"])
def test_only_our_own_pages_may_ask_and_only_for_who_may_trigger_the_dag(
    api: TestClient,
    empty: Lake,
    started: dict[str, SimpleNamespace],
    monkeypatch: pytest.MonkeyPatch,
    action: str,
) -> None:
    body = asked(until=LATER.isoformat())
    assert api.post(f"/api/alerts/{action}", json=body).status_code == 403
    assert (
        api.post(
            f"/api/alerts/{action}", json=body, headers={**WRITES, "Origin": "https://evil.example"}
        ).status_code
        == 403
    )

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


def test_airflows_database_that_does_not_answer_is_said(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*dag: str, **given: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr("airflow.api.common.trigger_dag.trigger_dag", locked)
    answer = api.post("/api/alerts/acknowledge", json=asked(), headers=WRITES)
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "Airflow's database does not answer; try again",
    )


@pytest.fixture
def told(tmp_path: Path) -> Iterator[tuple[str, Lake]]:
    """A lake where an alert fires, as a mug is sold out; and what the tab knows of it."""
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
    with closing(Lake(lambda: address, tables.COPIES, tables.DERIVED)) as lake:
        yield address, lake


def test_page_shows_who_acknowledged_and_silenced_until_when_and_what_is_being_done(
    told: tuple[str, Lake],
) -> None:
    address, lake = told
    shop.acknowledge(address, ALERT, Attribution("anna", "ordered"))
    shop.silence(address, "stock_out", LATER + timedelta(hours=1), Attribution("anna", "moving house"))
    shop.silence(address, "stock_out", LATER, Attribution("ben", "moving house"))
    going = alert_actions.Act(
        action="silence",
        alert=ALERT,
        by="anna",
        refused=None,
        run=runs.Run(dag_id=alert_actions.DAG, run_id="r", state="running", started=None, ended=None),
    )

    def page(now: datetime) -> stock.Stock:
        return stock.stock(lake, [going], now, lake.state(stock.TABLES))

    made = page(datetime.now(UTC))
    [alert] = made.alerts
    assert (alert.state, alert.by, alert.reason) == ("acknowledged", "anna", "ordered")
    assert [(each.target, each.until, each.by) for each in made.silences] == [("stock_out", LATER, "ben")]
    assert made.acts == [going]
    assert page(LATER).silences == []
