"""A customer is forgotten in every table of the lake, whatever happens on the way, and nothing else changes."""

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
KILLED_RUN = "import sys; from shopnow.lake.governance.erasure import forget; forget(sys.argv[1], 'c-ann', why='asked', by='me')"


def shop() -> list[Event]:
    """What happens in a shop, and Ann in it."""
    happened = shop_events.events(shop_events.a_run(sessions=20, seed=7, start=START))
    delivery = next(each for each in happened if isinstance(each, DeliveryCreated))
    order = next(
        each for each in happened if isinstance(each, OrderPlaced) and each.order_id == delivery.order_id
    )
    person = {"customer_id": ANN, "customer_name": "Ann Other", "address": "1 Rue"}
    mine = {
        each.event_id: replace(each, **{name: text for name, text in person.items() if hasattr(each, name)})
        for each in happened
        if getattr(each, "customer_id", None) == order.customer_id
        or getattr(each, "order_id", None) == order.order_id
    }
    assert {type(each) for each in mine.values()} >= {
        ProductViewed,
        CartItemAdded,
        OrderPlaced,
        PaymentSucceeded,
        DeliveryCreated,
    }
    return [mine.get(each.event_id, each) for each in happened]


def read(lake: str, name: str) -> pa.Table:
    return tables.read(Table(lake, name).open())


def bytes_of(lake: str) -> str:
    """All that the tables hold that have rows of persons, as text."""
    names = [*(f"{layer}/{topic}" for layer in ("raw", "events") for topic in TOPICS), CUSTOMER_ORDERS.name]
    names = [name for name in names if Table(lake, name).exists()]
    return "\n".join(str(read(lake, name).to_pylist()) for name in names)


def figures(lake: str) -> dict[str, list[dict]]:
    return {kpi.name: read(lake, kpi.name).to_pylist() for kpi in KPIS}


def test_nothing_of_them_is_left_and_nothing_else_changes(lake, spark):
    happened = shop()
    order = next(each for each in happened if isinstance(each, OrderPlaced) and each.customer_id == ANN)
    sample.land(lake, happened)
    doubtful = json.dumps({**json.loads(events.encode(order)), "total_cents": "x"}).encode()
    newer = json.dumps({**json.loads(events.encode(order)), "event_id": "0" * 36, "email": "1 Rue"}).encode()
    namesake = events.encode(
        replace(
            order, event_id="1" * 36, customer_id=OTHER, order_id="other", customer_name="Bob", address="x"
        )
    )
    sample.land_records(
        lake, TOPICS["orders"], [events.encode(order), doubtful, newer, namesake, b"\xff of Ann Other"]
    )
    given = {
        quarantine.RecordId("orders-id", 0, record.place.offset): events.encode(order)
        for record in quarantine.records(lake, "orders")
    }
    quarantine.correct(lake, {"orders": dict([given.popitem()])}, why="", by="")
    jobs.refresh(lake, lambda: spark)
    before, kpis = bytes_of(lake), figures(lake)
    assert all(text in before for text in PERSONAL)
    expected = erasure.forget(lake, ANN, why="", by="", dry_run=True)
    assert bytes_of(lake) == before

    for point in ("write:2", "committed:3", "erased"):
        environment = {**os.environ, "PYTHONPATH": "include", "SHOPNOW_KILL_AT": f"forget:{point}"}
        run = subprocess.run([sys.executable, "-c", KILLED_RUN, lake], env=environment, check=False)
        assert run.returncode in {0, -signal.SIGKILL}
    erasure.forget(lake, ANN, why="asked", by="me")

    after = bytes_of(lake)
    assert [text for text in PERSONAL if text in after.replace(OTHER, "")] == []
    assert after.count(OTHER) == before.count(OTHER)
    pseudonyms = {
        each
        for topic in ("views", "carts", "orders")
        for each in read(lake, f"events/{topic}")["customer_id"].to_pylist()
    }
    assert len({each for each in pseudonyms if each and each.startswith("forgotten-")}) == 1
    assert {each.table for each in expected} == {
        *("raw/views", "raw/carts", "raw/orders", "raw/deliveries"),
        *("events/views", "events/carts", "events/orders", "events/deliveries"),
        CUSTOMER_ORDERS.name,
    }
    # No KPI is computed again for it, and none would say anything else.
    versions = {name: Table(lake, name).version() for name in kpis}

    def never():
        raise AssertionError("Spark was started for nothing")

    jobs.refresh(lake, never)
    assert {name: Table(lake, name).version() for name in kpis} == versions
    assert erasure.forget(lake, ANN, why="", by="") == []
    # What comes of them later is new.
    sample.land(lake, [replace(order, event_id="2" * 36)])
    jobs.refresh(lake, lambda: spark)
    assert "Ann Other" in bytes_of(lake)


def test_a_run_that_read_before_starts_over(lake, spark, monkeypatch):
    """compute_kpis has read the customer's records, and is about to write them as events."""
    from shopnow_spark import refresh_events

    mine = [each for each in shop() if isinstance(each, OrderPlaced) and each.customer_id == ANN]
    sample.land(lake, mine[:1])
    jobs.refresh(lake, lambda: spark)
    sample.land(lake, mine[1:] or [replace(mine[0], event_id="2" * 36)])

    def failpoint(point: str) -> None:
        if point == "kpi:events":
            monkeypatch.undo()
            assert erasure.forget(lake, ANN, why="", by="")

    monkeypatch.setattr(refresh_events, "failpoint", failpoint)
    jobs.refresh(lake, lambda: spark)
    assert read(lake, "events/orders").num_rows == max(len(mine), 2)
    assert "Ann Other" not in bytes_of(lake)


def test_the_command_asks_first_and_refuses_what_is_not_landed(lake, monkeypatch):
    sample.land(lake, shop())
    lagging: list[str] = []
    app = typer.Typer()
    app.command()(cli.forget)
    monkeypatch.setattr(cli, "addresses", lambda: ({}, lake))
    monkeypatch.setattr(cli.lag, "unread", lambda conf, lake: lagging)
    monkeypatch.setattr(cli.topics, "retention", lambda conf, names: dict.fromkeys(names, 7.0))

    def run(*arguments: str, answer: str = "") -> str:
        return CliRunner().invoke(app, list(arguments), input=answer, catch_exceptions=False).output

    assert "raw/orders" in run(ANN, "--dry-run")
    assert "Ann Other" in bytes_of(lake)
    run(ANN, answer="n\n")
    assert "Ann Other" in bytes_of(lake)
    lagging.append("orders")
    with pytest.raises(UserError, match="land"):
        run(ANN, "--yes")
    lagging.clear()
    done = json.loads(run(ANN, "--yes", "--json"))
    assert {"raw/orders", "raw/deliveries"} <= {each["table"] for each in done["erased"]}
    assert "Ann Other" not in bytes_of(lake)
    assert "nothing" in run(ANN, "--yes")
