"""What each page says of a lake, and of one that is empty."""

import csv
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from factories.sample_lake import NOW
from shopnow_tab_app import i18n, runs
from shopnow_tab_app.pages import (
    csv_export,
    dashboard,
    deliveries,
    orders,
    payments,
    pdf,
    pdf_sheets,
    pipeline,
    stock,
)
from shopnow_tab_app.pages.paging import PageQuery
from shopnow_tab_app.pages.period import Period, PeriodQuery
from shopnow_tab_app.polled_cache import Last
from shopnow_tab_app.replica.client import Lake
from shopnow_tab_app.replica.protocol import State

TODAY = NOW.date()
ASKED = PeriodQuery(None, None, 2, None, None, None)
NEWEST = PageQuery("", "event_time", True, 0, 25)

PAGES: dict[str, tuple[tuple[str, ...], Callable[[Lake, State], BaseModel]]] = {
    "dashboard": (dashboard.TABLES, lambda lake, state: dashboard.dashboard(lake, ASKED, state)),
    "orders": (orders.TABLES, lambda lake, state: orders.orders(lake, NEWEST, None, state)),
    "payments": (
        (payments.TABLE,),
        lambda lake, state: payments.payments(lake, ASKED, NEWEST, None, None, state),
    ),
    "deliveries": (
        deliveries.TABLES,
        lambda lake, state: deliveries.deliveries(lake, ASKED, NEWEST, None, state),
    ),
    "stock": (stock.TABLES, lambda lake, state: stock.stock(lake, [], NOW, state)),
    "pipeline": (
        pipeline.TABLES,
        lambda lake, state: pipeline.pipeline(lake, Last({}, None, "Kafka is away"), [], state),
    ),
}


@pytest.fixture(autouse=True)
def no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's database, which is not here."""
    monkeypatch.setattr(runs, "at", lambda dag_id, moment: None)


def page(lake: Lake, name: str) -> Any:
    tables, make = PAGES[name]
    state = lake.state(tables)
    while state.unread:
        state = lake.state(tables)
    return make(lake, state)


def test_cards_are_the_sums_of_the_period_beside_those_of_the_period_before(lake: Lake) -> None:
    made = page(lake, "dashboard")
    found = lake.query('SELECT date, orders, net_revenue_cents FROM "kpi/sales_daily"')
    days, before = Period(date(2026, 11, 23), TODAY), Period(date(2026, 11, 21), date(2026, 11, 22))
    assert days.before == before

    def total(period: Period, column: str) -> int:
        return sum(row[column] for row in found if period.first <= row["date"] <= period.last)

    cards = {card.name: card for card in made.cards}
    assert (cards["orders"].value, cards["orders"].before) == (total(days, "orders"), total(before, "orders"))
    assert cards["revenue"].value == total(days, "net_revenue_cents")
    assert made.completeness.complete
    assert sum(made.charts["orders"].series[0].values) == cards["orders"].value


def test_days_without_sales_are_in_the_chart_as_such(lake: Lake) -> None:
    page(lake, "dashboard")
    quiet = dashboard.dashboard(lake, ASKED._replace(days=9), lake.state(dashboard.TABLES)).charts["payments"]
    assert quiet.labels == [(TODAY - timedelta(days=ago)).isoformat() for ago in range(8, -1, -1)]
    assert quiet.series[0].values[0] is None


@pytest.mark.parametrize("column", ["category", "country"])
def test_sales_of_all_parts_add_up(lake: Lake, column: str) -> None:
    whole = page(lake, "dashboard")
    values = whole.options.categories if column == "category" else whole.options.countries
    state = lake.state(dashboard.TABLES)
    parts = [dashboard.dashboard(lake, ASKED._replace(**{column: value}), state) for value in values]
    revenue = [next(card.value for card in each.cards if card.name == "revenue") for each in parts]
    assert sum(value or 0 for value in revenue) == next(
        card.value for card in whole.cards if card.name == "revenue"
    )


def test_order_has_the_status_of_what_became_of_it(lake: Lake) -> None:
    made = page(lake, "orders")
    assert made.total == 600
    assert sum(made.statuses.values()) == 600
    failed = lake.query("SELECT count(*) AS orders FROM \"events/payments\" WHERE status = 'failed'")[0][
        "orders"
    ]
    assert made.statuses["failed"] == failed
    assert set(made.statuses) == {"failed", "paid", "in_transit", "delivered"} - (
        {"paid"} - set(made.statuses)
    )


def test_delivery_is_in_its_latest_stage_once(lake: Lake) -> None:
    made = page(lake, "deliveries")
    assert (
        sum(made.stages.values())
        == lake.query('SELECT count(DISTINCT delivery_id) AS n FROM "events/deliveries"')[0]["n"]
    )
    assert all(row.progress == sheets_progress[row.stage] for row in made.rows)


sheets_progress = {"pending": 0.0, "in_transit": 0.5, "delivered": 1.0}


def test_search_looks_into_what_is_there_letter_by_letter(lake: Lake) -> None:
    page(lake, "orders")
    found = orders.LISTING.rows(lake, NEWEST._replace(search="o'neil</b"))
    assert {row["customer_name"] for row in found} == {"<b>O'Neil</b>"}
    assert orders.LISTING.rows(lake, NEWEST._replace(search="%")) == []


@pytest.mark.parametrize("name", PAGES)
def test_page_of_an_empty_lake_says_what_is_not_there(empty: Lake, name: str) -> None:
    made = page(empty, name)
    assert {each.what for each in made.missing if each.why == "absent"} <= {*PAGES[name][0]}
    assert any(each.why == "absent" for each in made.missing)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", PAGES)
def test_page_can_be_drawn_as_pdf(lake: Lake, name: str, language: str) -> None:
    pytest.importorskip("matplotlib")
    assert pdf.render(pdf_sheets.sheet(name, page(lake, name), i18n.translator(language))).startswith(
        b"%PDF-"
    )


def test_csv_has_every_row(lake: Lake) -> None:
    page(lake, "orders")
    listing = csv_export.EXPORTS["orders"].listing
    found = list(csv.DictReader("".join(csv_export.lines(lake, listing, "", "true", {})).splitlines()))
    assert len(found) == 600
