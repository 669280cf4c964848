"""The pages of a sample lake, and of an empty one."""

import csv
import io
import itertools
import re
from datetime import date, timedelta
from typing import Any, get_args

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient

from factories.sample_lake import NOW
from shopnow_tab_app import i18n
from shopnow_tab_app.app import create
from shopnow_tab_app.pages import csv_export, dashboard, orders, pdf_sheets
from shopnow_tab_app.pages.period import Period, PeriodQuery
from shopnow_tab_app.pages.registry import DEFAULT_ROWS, EXPORTS, PAGES, PageName, Query, Sources
from shopnow_tab_app.replica import tables
from shopnow_tab_app.replica.server import ReplicaServer
from shopnow_tab_app.routes import alert_actions
from shopnow_tab_app.sources import runs
from shopnow_tab_app.sources.polled_cache import PollResult

TODAY = NOW.date()
TWO_DAYS = PeriodQuery(None, None, 2, None, None, None)
STAGE_PROGRESS = {"pending": 0.0, "in_transit": 0.5, "delivered": 1.0}


@pytest.fixture(autouse=True)
def no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces Airflow's database."""
    monkeypatch.setattr(runs, "find_active_run", lambda dag_id, moment: None)


def build(lake: ReplicaServer, name: PageName) -> Any:
    sources = Sources(lake, lambda: PollResult({}, None, "Kafka is down"), list, list)
    while lake.state(PAGES[name].tables).unread:
        pass
    return PAGES[name].build(sources, Query(TWO_DAYS, DEFAULT_ROWS))


def test_registry_has_every_page_name() -> None:
    assert tuple(PAGES) == get_args(PageName)


@pytest.mark.parametrize("name", PAGES)
def test_registry_names_the_charts_of_the_page(lake: ReplicaServer, name: PageName) -> None:
    assert tuple(getattr(build(lake, name), "charts", ())) == tuple(PAGES[name].charts)


@pytest.mark.parametrize("name", EXPORTS)
def test_every_export_can_be_read(lake: ReplicaServer, name: str) -> None:
    while lake.state(tables.with_sources(EXPORTS[name].table)).unread:
        pass
    header = "".join(csv_export.lines(lake, EXPORTS[name])).splitlines()[0]
    assert header.split(",") == [column.strip('"') for column in EXPORTS[name].columns]


def test_cards_sum_the_period_and_the_previous_period(lake: ReplicaServer) -> None:
    page = build(lake, "dashboard")
    sales = lake.query('SELECT date, orders, net_revenue_cents FROM "kpi/sales_daily"')
    period, before = Period(date(2026, 11, 23), TODAY), Period(date(2026, 11, 21), date(2026, 11, 22))
    assert period.before == before

    def total(days: Period, column: str) -> int:
        return sum(row[column] for row in sales if days.first <= row["date"] <= days.last)

    cards = {card.name: card for card in page.cards}
    assert (cards["orders"].value, cards["orders"].before) == (
        total(period, "orders"),
        total(before, "orders"),
    )
    assert cards["revenue"].value == total(period, "net_revenue_cents")
    assert page.completeness.complete
    assert sum(page.charts["orders"].series[0].values) == cards["orders"].value


def test_chart_has_null_on_days_without_sales(lake: ReplicaServer) -> None:
    build(lake, "dashboard")
    page = dashboard.build(lake, TWO_DAYS._replace(days=9), lake.state(dashboard.TABLES))
    chart = page.charts["payments"]
    assert chart.labels == [(TODAY - timedelta(days=ago)).isoformat() for ago in range(8, -1, -1)]
    assert chart.series[0].values[0] is None


@pytest.mark.parametrize("column", ["category", "country"])
def test_revenue_of_all_filter_values_adds_up(lake: ReplicaServer, column: str) -> None:
    def revenue(page: dashboard.Dashboard) -> int | None:
        return next(card.value for card in page.cards if card.name == "revenue")

    page = build(lake, "dashboard")
    values = page.options.categories if column == "category" else page.options.countries
    state = lake.state(dashboard.TABLES)
    filtered = [dashboard.build(lake, TWO_DAYS._replace(**{column: value}), state) for value in values]
    assert sum(revenue(part) or 0 for part in filtered) == revenue(page)


def test_order_has_its_current_status(lake: ReplicaServer) -> None:
    page = build(lake, "orders")
    assert page.total == 600
    assert sum(page.statuses.values()) == 600
    failed = lake.query("SELECT count(*) AS orders FROM \"events/payments\" WHERE status = 'failed'")[0][
        "orders"
    ]
    assert page.statuses["failed"] == failed
    delivered = lake.query(
        'SELECT count(DISTINCT order_id) AS orders FROM "events/deliveries" WHERE stage = 2'
    )[0]["orders"]
    assert page.statuses["delivered"] == delivered
    assert set(page.statuses) <= {"failed", "paid", "in_transit", "delivered"}


def test_delivery_is_counted_once_in_its_latest_stage(lake: ReplicaServer) -> None:
    page = build(lake, "deliveries")
    assert (
        sum(page.stages.values())
        == lake.query('SELECT count(DISTINCT delivery_id) AS n FROM "events/deliveries"')[0]["n"]
    )
    assert all(row.progress == STAGE_PROGRESS[row.stage] for row in page.rows)


def test_search_matches_text_literally(lake: ReplicaServer) -> None:
    build(lake, "orders")
    rows = orders.LISTING.rows(lake, DEFAULT_ROWS._replace(search="o'neil</b"))
    assert {row["customer_name"] for row in rows} == {"<b>O'Neil</b>"}
    assert orders.LISTING.rows(lake, DEFAULT_ROWS._replace(search="%")) == []


def test_filter_restricts_the_rows_and_the_total(lake: ReplicaServer) -> None:
    page = build(lake, "orders")
    failed = orders.build(lake, DEFAULT_ROWS, "failed", lake.state(orders.TABLES))
    assert failed.total == page.statuses["failed"]
    assert {row.status for row in failed.rows} == {"failed"}


@pytest.mark.parametrize("name", PAGES)
def test_page_of_an_empty_lake_names_the_missing_tables(empty: ReplicaServer, name: PageName) -> None:
    page = build(empty, name)
    absent = {missing.what for missing in page.missing if missing.why == "absent"}
    assert absent
    assert absent <= {*PAGES[name].tables}


@pytest.mark.parametrize(("name", "language"), list(zip(PAGES, itertools.cycle(["en", "fr"]), strict=False)))
def test_pdf_of_a_page_has_its_title_charts_and_tables(
    lake: ReplicaServer, monkeypatch: pytest.MonkeyPatch, name: PageName, language: str
) -> None:
    import matplotlib

    from shopnow_tab_app.pages import pdf_drawing

    # Otherwise texts are compressed numbers of glyphs.
    for name_, value in (("pdf.compression", 0), ("pdf.use14corefonts", True)):
        monkeypatch.setitem(matplotlib.rcParams, name_, value)
    sheet = pdf_sheets.sheet(name, build(lake, name), i18n.translator(language), PAGES[name].sheet)
    document = io.BytesIO()
    pdf_drawing.draw(sheet, document)
    drawn = {text.decode("cp1252") for text in re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", document.getvalue())}
    titles = [
        sheet["title"],
        sheet["subtitle"],
        *(part["title"] for part in sheet["charts"] + sheet["tables"]),
    ]
    cells = [row[0] for table in sheet["tables"] for row in (table["columns"], *table["rows"])]
    assert {*titles, *cells, *itertools.chain(*sheet["cards"])} <= drawn
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", sheet["subtitle"])


def test_csv_has_every_row(lake: ReplicaServer) -> None:
    build(lake, "orders")
    rows = list(csv.DictReader("".join(csv_export.lines(lake, EXPORTS["orders"])).splitlines()))
    assert len(rows) == 600


@pytest.fixture
def api(empty: ReplicaServer, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The API of an empty lake, without Kafka and Airflow's database."""
    monkeypatch.setattr(runs, "dags", list)
    monkeypatch.setattr(alert_actions, "recent_actions", list)
    app = create(empty, conf=lambda: {"bootstrap.servers": "127.0.0.1:1"})
    app.dependency_overrides[get_user] = lambda: None
    return TestClient(app)


@pytest.mark.parametrize("name", PAGES)
def test_api_serves_every_page_with_an_etag(api: TestClient, name: PageName) -> None:
    response = api.get(f"/api/{name}")
    assert (response.status_code, set(response.json())) == (200, set(PAGES[name].response.model_fields))
    assert response.headers["ETag"]


def test_no_other_user_or_site_gets_an_answer_from_a_cache_or_in_a_frame(api: TestClient) -> None:
    paths = ["/", "/assets/icon.svg", "/api/openapi.json", "/api/tables/orders.csv"]
    paths += [f"/api/{name}" for name in PAGES]
    for path in (*paths, "/api/pages/funnel.pdf", "/nowhere"):
        headers = api.get(path).headers
        assert "private" in headers["Cache-Control"], path
        # Of the tab itself and every page around it.
        assert "frame-ancestors 'self'" in headers["Content-Security-Policy"], path
    assert api.post("/api/sales").headers["Cache-Control"] == "private, no-store"


def test_api_serves_every_chart_and_rejects_others(api: TestClient) -> None:
    for name, page in PAGES.items():
        for chart in page.charts:
            assert api.get(f"/api/charts/{name}/{chart}").json()["name"] == chart
    assert api.get("/api/charts/orders/funnel").status_code == 404
    assert api.get("/api/tables/funnel.csv").status_code == 404
    assert api.get("/api/pages/funnel.pdf").status_code == 422
