"""A customer is erased from every table of the lake, also by killed runs, and nothing else changes."""

import base64
import gzip
import json
import os
import signal
import subprocess
import sys

import pyarrow as pa
import pytest
import typer
from msgspec.structs import replace
from typer.testing import CliRunner

from factories import raw_tables as sample
from factories import shop_events
from factories.events import event_id
from shopnow import events
from shopnow.cli import forget as cli
from shopnow.errors import UserError
from shopnow.events import (
    TOPICS,
    CartItemAdded,
    DeliveryCreated,
    Event,
    OrderPlaced,
    PaymentSucceeded,
    ProductViewed,
)
from shopnow.kpis import CUSTOMER_ORDERS, KPIS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import erasure, quarantine
from shopnow_spark import jobs

START = 1_793_534_400_000
ANN, OTHER = "c-ann", "c-ann-2"
PERSONAL = (ANN, "Ann Other", "1 Rue")
KILLED_RUN = """
import sys
from shopnow.lake.governance.erasure import erase_customer
erase_customer(sys.argv[1], 'c-ann', why='asked', by='me')
"""


def shop() -> list[Event]:
    """Return the events of a shop in which Ann is a customer."""
    original = shop_events.events(shop_events.make_run(sessions=20, seed=7, start=START))
    delivery = next(event for event in original if isinstance(event, DeliveryCreated))
    order = next(
        event for event in original if isinstance(event, OrderPlaced) and event.order_id == delivery.order_id
    )
    person = {"customer_id": ANN, "customer_name": "Ann Other", "address": "1 Rue"}
    of_ann = {
        event.event_id: replace(
            event, **{name: text for name, text in person.items() if hasattr(event, name)}
        )
        for event in original
        if getattr(event, "customer_id", None) == order.customer_id
        or getattr(event, "order_id", None) == order.order_id
    }
    assert {type(event) for event in of_ann.values()} >= {
        ProductViewed,
        CartItemAdded,
        OrderPlaced,
        PaymentSucceeded,
        DeliveryCreated,
    }
    return [of_ann.get(event.event_id, event) for event in original]


def read(lake: str, name: str) -> pa.Table:
    return tables.read(Table(lake, name).open())


def content(lake: str) -> str:
    """Return as text the rows of all tables that may hold personal data."""
    names = [*(f"{layer}/{topic}" for layer in ("raw", "events") for topic in TOPICS), CUSTOMER_ORDERS.name]
    names = [name for name in names if Table(lake, name).exists()]
    return "\n".join(str(read(lake, name).to_pylist()) for name in names)


def figures(lake: str) -> dict[str, list[dict]]:
    return {kpi.name: read(lake, kpi.name).to_pylist() for kpi in KPIS}


def test_erases_all_personal_data_and_changes_nothing_else(lake, refresh):
    original = shop()
    order = next(event for event in original if isinstance(event, OrderPlaced) and event.customer_id == ANN)
    sample.land(lake, original)
    invalid = json.dumps({**json.loads(events.encode(order)), "total_cents": "x"}).encode()
    newer = json.dumps(
        {**json.loads(events.encode(order)), "event_id": event_id(10), "email": "1 Rue"}
    ).encode()
    namesake = events.encode(
        replace(
            order,
            event_id=event_id(11),
            customer_id=OTHER,
            order_id="other",
            customer_name="Bob",
            address="x",
        )
    )
    hidden = [gzip.compress(invalid), base64.b64encode(invalid), invalid.decode().encode("utf-16")]
    sample.land_records(
        lake,
        TOPICS["orders"],
        [events.encode(order), invalid, newer, namesake, *hidden, b"\xff of Ann Other"],
    )
    corrections = {
        quarantine.RecordId("orders-id", 0, record.record_id.offset): events.encode(order)
        for record in quarantine.records(lake, "orders")
    }
    quarantine.correct(lake, {"orders": dict([corrections.popitem()])}, why="", by="")
    refresh(lake)
    before, kpis = content(lake), figures(lake)
    assert all(text in before for text in (*PERSONAL, *(str(value)[2:-1] for value in hidden)))
    expected = erasure.erase_customer(lake, ANN, why="", by="", dry_run=True)
    assert content(lake) == before

    for point in ("write:2", "committed:3", "erased"):
        environment = {**os.environ, "PYTHONPATH": "include", "SHOPNOW_KILL_AT": f"forget:{point}"}
        run = subprocess.run([sys.executable, "-c", KILLED_RUN, lake], env=environment, check=False)
        assert run.returncode in {0, -signal.SIGKILL}
    erasure.erase_customer(lake, ANN, why="asked", by="me")

    after = content(lake)
    assert [value for value in hidden if str(value)[2:-1] in after] == []
    assert [text for text in PERSONAL if text in after.replace(OTHER, "")] == []
    assert after.count(OTHER) == before.count(OTHER)
    pseudonyms = {
        customer_id
        for topic in ("views", "carts", "orders")
        for customer_id in read(lake, f"events/{topic}")["customer_id"].to_pylist()
        if customer_id and customer_id.startswith("forgotten-")
    }
    assert len(pseudonyms) == 1
    assert {erased.table for erased in expected} == {
        *("raw/views", "raw/carts", "raw/orders", "raw/deliveries"),
        *("events/views", "events/carts", "events/orders", "events/deliveries"),
        CUSTOMER_ORDERS.name,
    }
    # No KPI is recomputed, as none would change.
    versions = {name: Table(lake, name).version() for name in kpis}

    def never():
        raise AssertionError("Spark was started although nothing is new")

    jobs.refresh(lake, never)
    assert {name: Table(lake, name).version() for name in kpis} == versions
    assert erasure.erase_customer(lake, ANN, why="", by="") == []
    # Records of the customer that arrive later are new.
    sample.land(lake, [replace(order, event_id=event_id(12))])
    refresh(lake)
    assert "Ann Other" in content(lake)


def test_a_compute_kpis_run_that_read_raw_before_the_erasure_starts_over(lake, refresh, monkeypatch):
    """The erasure happens after compute_kpis has read the customer's records and before it writes events."""
    from shopnow_spark import refresh_events

    orders = [event for event in shop() if isinstance(event, OrderPlaced) and event.customer_id == ANN]
    sample.land(lake, orders[:1])
    refresh(lake)
    sample.land(lake, orders[1:] or [replace(orders[0], event_id=event_id(12))])

    def failpoint(point: str) -> None:
        if point == "kpi:events":
            monkeypatch.undo()
            assert erasure.erase_customer(lake, ANN, why="", by="")

    monkeypatch.setattr(refresh_events, "failpoint", failpoint)
    refresh(lake)
    assert read(lake, "events/orders").num_rows == max(len(orders), 2)
    assert "Ann Other" not in content(lake)


def test_the_command_asks_for_confirmation_and_rejects_unlanded_records(lake, monkeypatch):
    sample.land(lake, shop())
    lagging: list[str] = []
    app = typer.Typer()
    app.command()(cli.forget)
    monkeypatch.setattr(cli, "endpoints", lambda: ({}, lake))
    monkeypatch.setattr(cli.lag, "lagging_topics", lambda conf, lake: lagging)
    monkeypatch.setattr(cli.topics, "read_retention", lambda conf, names: dict.fromkeys(names, 7.0))

    def run(*arguments: str, answer: str = "") -> str:
        return CliRunner().invoke(app, list(arguments), input=answer, catch_exceptions=False).output

    assert "raw/orders" in run(ANN, "--dry-run")
    assert "Ann Other" in content(lake)
    run(ANN, answer="n\n")
    assert "Ann Other" in content(lake)
    lagging.append("orders")
    with pytest.raises(UserError, match="land"):
        run(ANN, "--yes")
    lagging.clear()
    erased = json.loads(run(ANN, "--yes", "--json"))["erased"]
    assert {"raw/orders", "raw/deliveries"} <= {entry["table"] for entry in erased}
    assert "Ann Other" not in content(lake)
    assert "no data of this customer" in run(ANN, "--yes")
