"""The pages of an order, of a product and of a DAG run."""

from datetime import datetime, timedelta

import pytest

from factories.sample_lake import NOW
from shopnow_tab_app.pages import dashboard
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.registry import PageName
from shopnow_tab_app.replica.server import ReplicaServer
from shopnow_tab_app.sources import runs
from support.tab_pages import TWO_DAYS, build

pytestmark = pytest.mark.usefixtures("no_runs")


def test_order_page_has_the_events_of_the_order_in_their_order(lake: ReplicaServer) -> None:
    delivered = build(lake, "orders", Query(choices={"status": "delivered"})).rows[0]
    page = build(lake, "order", Query(choices={"order_id": delivered.order_id}))
    assert page.order == delivered
    assert [step.event_type for step in page.steps] == [
        "order_placed",
        "payment_succeeded",
        "delivery_created",
        "delivery_in_transit",
        "delivery_delivered",
    ]
    assert page.steps[0].amount_cents == delivered.total_cents
    own = build(lake, "orders", Query(choices={"customer_id": delivered.customer_id}))
    assert page.customer_orders == own.total > 0


@pytest.mark.parametrize("name", ["order", "product"])
@pytest.mark.parametrize("unknown", [None, "", "o-' OR true --", "é" * 200])
def test_page_of_what_does_not_exist_is_empty(lake: ReplicaServer, name: PageName, unknown: str) -> None:
    page = build(lake, name, Query(choices={f"{name}_id": unknown}))
    assert (page.order if name == "order" else page.shelf) is None
    assert (page.steps if name == "order" else page.stock_outs) == []


def test_product_page_sums_the_period(lake: ReplicaServer) -> None:
    build(lake, "dashboard")
    [product] = dashboard.build(lake, TWO_DAYS, NOW, lake.state(dashboard.TABLES)).top_products[:1]
    page = build(lake, "product", Query(TWO_DAYS, choices={"product_id": product.product_id}))
    assert (page.units, page.gmv_cents) == (product.units, product.gmv_cents)
    assert sum(page.charts["product_units"].series[0].values) == page.units
    assert page.shelf.product_name == product.product_name
    assert page.category == product.category


@pytest.mark.parametrize(
    ("started", "ended", "is_computed"),
    [
        (NOW - timedelta(minutes=1), None, True),
        (NOW, NOW, True),
        (NOW - timedelta(minutes=2), NOW - timedelta(minutes=1), False),
        (NOW + timedelta(minutes=1), None, False),
        (None, None, False),
    ],
)
def test_run_page_has_the_rows_computed_while_it_ran(
    lake: ReplicaServer,
    monkeypatch: pytest.MonkeyPatch,
    started: datetime | None,
    ended: datetime | None,
    is_computed: bool,
) -> None:
    run = runs.Run(dag_id="compute_kpis", run_id="r", state="running", started=started, ended=ended)
    monkeypatch.setattr(runs, "find_run", lambda *ids: run if ids == ("compute_kpis", "r") else None)
    page = build(lake, "run", Query(choices={"dag_id": "compute_kpis", "run_id": "r"}))
    assert page.run == run
    rows = {table.table: (table.rows, table.first, table.last) for table in page.computed}
    if not is_computed:
        assert not rows
        return
    [days] = lake.query('SELECT count(*) AS n, min(date) AS first, max(date) AS last FROM "kpi/sales_daily"')
    assert rows["kpi/sales_daily"] == tuple(days.values())
    assert rows["kpi/stock_position"][1:] == (None, None)


def test_page_of_an_unknown_run_is_empty(lake: ReplicaServer) -> None:
    page = build(lake, "run", Query(choices={"dag_id": "compute_kpis", "run_id": "'"}))
    assert (page.run, page.batches, page.computed) == (None, [], [])
