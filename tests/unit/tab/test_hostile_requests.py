"""Requests that no page sends: each gets an answer below 500, and the pages work afterwards."""

import json
import time
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient

from shopnow.errors import UserError
from shopnow.ids import uuid7
from shopnow_tab_app.app import create
from shopnow_tab_app.replica.server import ReplicaServer
from shopnow_tab_app.routes import access, order_form

JSON = {access.HEADER: "1", "Content-Type": "application/json"}
VALUES: list[Any] = ["\ud800", 10**400, [["x"]]]
BODIES = [b"\xff\xfe", b"[" * 100_000, b'{"request_id": NaN}']


@pytest.fixture
def api(lake: ReplicaServer, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(
        "airflow.api_fastapi.core_api.security.requires_access_dag", lambda *rights: lambda: None
    )

    def refuse(*args: Any) -> None:
        raise UserError("Kafka does not answer")

    monkeypatch.setattr(order_form, "submit", refuse)
    app = create(lake, conf=dict)
    app.dependency_overrides[get_user] = lambda: SimpleNamespace(get_name=lambda: "anna")
    return TestClient(app, raise_server_exceptions=False)


def request_id() -> str:
    return uuid7(round(time.time() * 1000), uuid.uuid4().hex)


ROUTES = {
    "orders": {
        "customer_name": "Nina",
        "country": "FR",
        "address": "Rue",
        "items": [{"product_id": "p-001"}],
    },
    "payments": {"order_id": "o-1", "method": "card", "amount_cents": 1, "outcome": "failed"},
    "alerts/acknowledge": {"alert": "stock_out:p-001", "reason": "r"},
    "alerts/silence": {"alert": "stock_out:p-001", "reason": "r", "until": "2030-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("route", ROUTES)
def test_hostile_bodies_are_refused(api: TestClient, route: str) -> None:
    for body in BODIES:
        assert api.post(f"/api/{route}", content=body, headers=JSON).status_code in {400, 413, 422}, body[:20]
    for name in ("request_id", *ROUTES[route]):
        for value in VALUES:
            body = json.dumps({"request_id": request_id(), **ROUTES[route], name: value})
            answer = api.post(f"/api/{route}", content=body, headers=JSON)
            assert answer.status_code in {400, 422, 503}, (name, value, answer.text)
            answer.json()


@pytest.mark.parametrize("route", ROUTES)
def test_an_origin_that_is_no_url_is_refused(api: TestClient, route: str) -> None:
    body = {"request_id": request_id(), **ROUTES[route]}
    for origin in ("http://[::1", "null", ""):
        answer = api.post(f"/api/{route}", json=body, headers={**JSON, "Origin": origin})
        assert (origin, answer.status_code) == (origin, 403)


def test_times_beyond_the_calendar_are_refused(api: TestClient) -> None:
    body = {**ROUTES["orders"], "request_id": "ffffffff-ffff-7fff-8fff-ffffffffffff"}
    assert api.post("/api/orders", json=body, headers=JSON).status_code == 422
    for until in ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "10000-01-01T00:00:00Z"):
        body = {**ROUTES["alerts/silence"], "request_id": request_id(), "until": until}
        assert api.post("/api/alerts/silence", json=body, headers=JSON).status_code == 422, until


def test_hostile_queries_get_an_answer(api: TestClient) -> None:
    for query in (
        "dashboard?to=0001-01-01",
        "dashboard?from=0001-01-01&to=9999-12-31",
        "dashboard?currency=%00%27",
        "deliveries?to=0001-01-01&days=3660",
        "payments?to=9999-12-31&search=%00%27",
        "orders?search=%ED%A0%80&page=99999999999999999999",
        "orders?sort=%00",
    ):
        answer = api.get(f"/api/{query}")
        assert answer.status_code < 500, (query, answer.text)
