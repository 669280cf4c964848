"""The tab's API on a real Kafka and a real lake."""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient

from factories import sample_lake
from shopnow.broker import tail
from shopnow.ids import uuid7
from shopnow.local_stack import supervision
from shopnow_tab_app.app import create
from shopnow_tab_app.replica import tables
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.routes import access
from shopnow_tab_app.sources.topic_tail import TopicTail

WRITES = {access.HEADER: "1"}

Client = Callable[..., TestClient]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The app of a lake and a Kafka, for a user with all permissions."""
    monkeypatch.setattr(
        "airflow.api_fastapi.core_api.security.requires_access_dag", lambda *rights: lambda: None
    )

    lakes: list[LakeReplica] = []

    def client(address: str, conf: dict[str, Any]) -> TestClient:
        lakes.append(LakeReplica(lambda: address, tables.COPIES, tables.DERIVED, lambda: conf))
        app = create(lakes[-1], TopicTail(lambda: conf), lambda: conf)
        app.dependency_overrides[get_user] = lambda: None
        return TestClient(app)

    yield client
    for lake in lakes:
        lake.close()


def request_id() -> str:
    return uuid7(round(time.time() * 1000), uuid.uuid4().hex)


def test_order_is_sent_once_and_shown_at_once(client: Client, lake: str, conf: dict[str, str]) -> None:
    api = client(lake, conf)
    api.get("/api/activity")
    order = {
        "request_id": request_id(),
        "customer_name": "Zoé",
        "items": [{"product_id": "p-009", "quantity": 2}],
    }
    first = api.post("/api/orders", json=order, headers=WRITES)
    assert first.status_code == 201
    assert first.json() == api.post("/api/orders", json=order, headers=WRITES).json()
    position = first.json()["partition"], first.json()["offset"]

    def shown_events() -> list[dict[str, Any]]:
        events = api.get("/api/activity").json()["events"]
        return [event for event in events if event["subject"] == first.json()["subject"]]

    assert supervision.wait_until(lambda: bool(shown_events()), 2)
    assert [(event["partition"], event["offset"], event["who"]) for event in shown_events()] == [
        (*position, "Zoé")
    ]
    records = tail.read_tail(conf, "orders", 50, lambda record: record.offset).records
    assert sum(first.json()["event_id"].encode() in (record.value or b"") for record in records) == 1


def test_request_id_of_another_request_is_refused(client: Client, lake: str, conf: dict[str, str]) -> None:
    api = client(lake, conf)
    order = {"request_id": request_id(), "customer_name": "Zoé"}
    assert api.post("/api/orders", json=order, headers=WRITES).status_code == 201
    other = {**order, "customer_name": "Nina"}
    payment = {
        "request_id": order["request_id"],
        "order_id": f"o-{order['request_id']}",
        "method": "card",
    }
    for route, body in (("orders", other), ("payments", payment)):
        refused = api.post(f"/api/{route}", json=body, headers=WRITES)
        assert (route, refused.status_code) == (route, 409)
        assert refused.json()["detail"] == "request_id was used for another request; choose a new UUIDv7"
    assert api.post("/api/orders", json=order, headers=WRITES).status_code == 201


def test_order_is_paid_once_and_unknown_orders_are_not(
    client: Client, lake: str, conf: dict[str, str]
) -> None:
    api = client(lake, conf)
    placed = api.post("/api/orders", json={"request_id": request_id()}, headers=WRITES).json()
    payment = {"request_id": request_id(), "order_id": placed["subject"], "method": "card"}

    def pay(**changes: str) -> Any:
        return api.post("/api/payments", json={**payment, **changes}, headers=WRITES)

    failed = pay(request_id=request_id(), outcome="failed")
    assert (failed.status_code, failed.json()["cents"]) == (201, placed["cents"])
    first = pay()
    assert first.status_code == 201
    assert first.json() == pay().json()

    def is_paid() -> bool:
        return pay(request_id=request_id()).status_code == 422

    assert supervision.wait_until(is_paid, 10)
    assert first.json() == pay().json()
    assert "there is no order" in pay(request_id=request_id(), order_id="o-1").json()["detail"]
    steps = api.get(f"/api/order?order_id={placed['subject']}").json()["steps"]
    assert [step["event_type"] for step in steps][:3] == [
        "order_placed",
        "payment_failed",
        "payment_succeeded",
    ]


def test_response_is_computed_once_for_each_version(client: Client, lake: str, conf: dict[str, str]) -> None:
    api = client(lake, conf)
    sample_lake.write_lake(lake, 50, 1)

    def dashboard(**headers: str) -> Any:
        return api.get("/api/dashboard", headers=headers)

    assert supervision.wait_until(
        lambda: dashboard().json()["cards"][0]["value"] is not None and not unread(dashboard().json()), 60
    )
    etag = dashboard().headers["etag"]
    assert dashboard(**{"If-None-Match": etag}).status_code == 304
    sample_lake.write_lake(lake, 60, 1)
    assert supervision.wait_until(lambda: dashboard(**{"If-None-Match": etag}).status_code == 200, 60)


def unread(response: dict[str, Any]) -> bool:
    return any(missing["why"] == "unread" for missing in response["missing"])


def test_unreachable_kafka_is_reported(client: Client, lake: str, nowhere: dict[str, str]) -> None:
    api = client(lake, nowhere)
    activity = api.get("/api/activity").json()
    assert activity["events"] == []
    assert supervision.wait_until(
        lambda: "check the address and that it runs" in str(api.get("/api/activity").json()["missing"]), 20
    )
    refused = api.post("/api/orders", json={"request_id": request_id()}, headers=WRITES)
    assert refused.status_code == 503
    assert "Kafka at 127.0.0.1:1 failed" in refused.json()["detail"]


def test_unreachable_lake_is_reported(client: Client, conf: dict[str, str]) -> None:
    api = client("hdfs://127.0.0.1:1/shopnow", conf)
    for path in ("dashboard", "orders", "payments", "deliveries", "stock"):
        response = api.get(f"/api/{path}")
        assert response.status_code == 200
        assert response.json()["missing"][0]["what"] == "lake"
        assert "check the address, that HDFS runs" in response.json()["missing"][0]["why"]
    assert api.get("/api/tables/orders.csv").status_code == 503
