"""Alerts on the stock page: one for each product, with current figures, most money at risk first."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from factories.alert_factory import cover
from shopnow.alerts import alert_log, commands, rules
from shopnow.alerts.commands import Attribution
from shopnow.alerts.evaluate import evaluate
from shopnow.alerts.proposals import ANSWERED, ProposalState, read_proposals
from shopnow.kpis import STOCK_COVER, STOCK_POSITION, TOP_PRODUCTS
from shopnow.lake.delta.tables import Table
from shopnow.restock import proposals
from shopnow_tab_app.pages import alerts, stock
from shopnow_tab_app.replica.server import ReplicaServer
from support.local_replica import local_replica

AT = datetime(2026, 7, 2, 11, tzinfo=UTC)


def write(address: str, name: str, rows: list[dict[str, Any]]) -> None:
    write_deltalake(Table(address, name).uri, pa.Table.from_pylist(rows), mode="overwrite")


def stock_rows(**quantities: int) -> list[dict[str, Any]]:
    return [
        {
            "product_id": product,
            "product_name": product.title(),
            "quantity": quantity,
            "last_event_time": AT,
            "last_offset": 0,
        }
        for product, quantity in quantities.items()
    ]


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """A lake where the mug is sold out and the vase, which costs ten times as much, is about to be."""
    address = tmp_path.as_uri()
    write(address, STOCK_POSITION.name, stock_rows(mug=0, vase=2, bowl=50))
    per_product = {"mug": (0, 0.0), "vase": (2, 2 / 3), "bowl": (50, 50 / 3)}
    write(
        address,
        STOCK_COVER.name,
        [
            cover(product_id=product, product_name=product.title(), quantity=quantity, days_of_cover=days)
            for product, (quantity, days) in per_product.items()
        ],
    )
    sales = {"mug": 1_000, "vase": 10_000, "bowl": 1_000}
    write(
        address,
        TOP_PRODUCTS.name,
        [
            {"date": date(2026, 7, 1), "product_id": product, "currency": "EUR", "orders": 1, "units": 1}
            | {"gmv_cents": cents}
            for product, cents in sales.items()
        ],
    )
    evaluate(address, "run-1", rule_set=rules.load())
    return address


@pytest.fixture
def lake(shop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaServer]:
    with local_replica(shop, tmp_path_factory.mktemp("replica"), poll_seconds=0.02) as replica:
        yield replica


def read(lake: ReplicaServer, now: datetime = AT) -> alerts.Alerts:
    """Return the alerts once the lake was read again, from the beginning."""
    for _ in range(2):  # the first of them may have begun before
        before = lake.state(stock.TABLES).as_of
        while (state := lake.state(stock.TABLES)).unread or state.as_of == before:
            pass
    return alerts.read(lake, now)


def test_each_product_has_one_alert_and_most_money_at_risk_comes_first(lake: ReplicaServer) -> None:
    found = read(lake)
    assert [alert.subject for alert in found.active] == ["vase", "mug"]
    vase, mug = found.active
    # Demand of 3 a day for 4 days, minus the 2 or 0 in stock.
    assert (vase.at_risk_cents, mug.at_risk_cents) == (10 * 10_000, 12 * 1_000)
    # The reorder point is 12.
    assert (vase.order_pieces, mug.order_pieces) == (12 + 12 - 2, 12 + 12)
    assert (vase.on_hand, vase.order_by, vase.approval) == (2, None, None)


def test_an_alert_that_another_one_explains_is_only_counted(shop: str, lake: ReplicaServer) -> None:
    assert read(lake).inhibited == 0
    write(shop, STOCK_POSITION.name, stock_rows(mug=0, vase=0, bowl=50))
    evaluate(shop, "run-2", rule_set=rules.load())
    found = read(lake)
    assert {alert.fingerprint for alert in found.active} == {"stock_out:vase", "stock_out:mug"}
    assert found.inhibited == 1


def test_figures_are_current_while_the_facts_are_those_of_the_firing(shop: str, lake: ReplicaServer) -> None:
    read(lake)
    write(shop, STOCK_POSITION.name, stock_rows(mug=1, vase=1, bowl=50))
    vase = read(lake).active[0]
    assert (vase.on_hand, vase.order_pieces, vase.at_risk_cents) == (1, 23, 11 * 10_000)
    assert "2 left" in (vase.facts or "")


def test_order_by_leaves_the_time_of_the_delivery(shop: str, lake: ReplicaServer) -> None:
    rows = [cover(product_id="vase", days_of_cover=6.0), cover(product_id="mug", days_of_cover=3.0)]
    write(shop, STOCK_COVER.name, rows)
    order_by = {alert.subject: alert.order_by for alert in read(lake).active}
    assert order_by == {"vase": AT + timedelta(days=2), "mug": None}
    late = {alert.subject: alert.order_by for alert in read(lake, AT + timedelta(days=2)).active}
    assert late == {"vase": None, "mug": None}


def test_very_large_cover_has_a_day_within_the_calendar(shop: str, lake: ReplicaServer) -> None:
    write(shop, STOCK_COVER.name, [cover(product_id="vase", days_of_cover=5e6)])
    vase = next(alert for alert in read(lake).active if alert.subject == "vase")
    assert vase.order_by == AT + timedelta(days=alerts.MAX_DAYS)


def test_proposal_is_open_then_answered(shop: str, lake: ReplicaServer) -> None:
    table = alert_log.open_table(shop)
    [mug] = [each for each in read_proposals(alert_log.read_rows(table, "alert")) if each.product_id == "mug"]

    def record(state: ProposalState, reason: str | None = None) -> alerts.Approval | None:
        """Record the state of the mug's proposal and return what the page shows of it."""
        table = alert_log.open_table(shop)
        sequence = alert_log.next_sequence(table)
        alert_log.commit_decision(table, [mug.row(state, sequence, datetime.now(UTC), reason)])
        return shown()

    def shown() -> alerts.Approval | None:
        return next(alert.approval for alert in read(lake).active if alert.subject == "mug")

    run = proposals.run_id(mug.fingerprint, mug.dedup_key)
    assert shown() is None
    assert record(ProposalState.OPEN) == alerts.Approval(run=run, is_open=True)
    assert record(ProposalState.CLOSED, "its run is failed") is None
    answered = alerts.Approval(run=run, is_open=False)
    assert record(ProposalState.CLOSED, ANSWERED) == answered
    commands.acknowledge(shop, "stock_out:mug", Attribution("anna", "ordered"))
    assert shown() == answered  # the answer is for all alerts until the product is back in stock
    for quantity in (50, 0):
        write(shop, STOCK_POSITION.name, stock_rows(mug=quantity, vase=2, bowl=50))
        evaluate(shop, f"run-{quantity}", rule_set=rules.load())
    assert shown() is None
