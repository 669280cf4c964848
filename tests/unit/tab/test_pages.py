"""The pages of a sample lake, and of an empty one."""

from datetime import date, datetime, timedelta
from typing import get_args

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient

from factories.sample_lake import NOW
from shopnow_tab_app.app import create
from shopnow_tab_app.pages import dashboard, orders
from shopnow_tab_app.pages.period import Period, PeriodQuery
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.registry import PAGES, PageName
from shopnow_tab_app.replica.server import ReplicaServer
from shopnow_tab_app.routes import alert_actions
from shopnow_tab_app.sources import runs
from support.tab_pages import TWO_DAYS, build

pytestmark = pytest.mark.usefixtures("no_runs")

TODAY = NOW.date()
STAGE_PROGRESS = {"pending": 0.0, "in_transit": 0.5, "delivered": 1.0}


def build_dashboard(lake: ReplicaServer, period: PeriodQuery) -> dashboard.Dashboard:
    return dashboard.build(lake, period, NOW, lake.state(dashboard.TABLES))


def test_registry_has_every_page_name() -> None:
    assert tuple(PAGES) == get_args(PageName)


@pytest.mark.parametrize("name", PAGES)
def test_registry_names_the_charts_of_the_page(lake: ReplicaServer, name: PageName) -> None:
    assert tuple(getattr(build(lake, name), "charts", ())) == tuple(PAGES[name].charts)


def test_cards_sum_the_period_and_the_previous_period(lake: ReplicaServer) -> None:
    period, before = (Period(day, day) for day in (date(2026, 11, 23), date(2026, 11, 22)))
    page = build(lake, "dashboard", Query(PeriodQuery(period.first, period.last)))
    sales = lake.query('SELECT date, orders, net_revenue_cents FROM "kpi/sales_daily"')
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
    page = build_dashboard(lake, PeriodQuery(days=9))
    chart = page.charts["payments"]
    assert chart.labels == [(TODAY - timedelta(days=ago)).isoformat() for ago in range(8, -1, -1)]
    assert chart.series[0].values[0] is None


@pytest.mark.parametrize("column", ["category", "country"])
def test_revenue_of_all_filter_values_adds_up(lake: ReplicaServer, column: str) -> None:
    def revenue(page: dashboard.Dashboard) -> int | None:
        return next(card.value for card in page.cards if card.name == "revenue")

    page = build(lake, "dashboard")
    values = page.options.categories if column == "category" else page.options.countries
    filtered = [build_dashboard(lake, TWO_DAYS._replace(**{column: value})) for value in values]
    assert sum(revenue(part) or 0 for part in filtered) == revenue(page)


def test_order_has_its_current_status(lake: ReplicaServer) -> None:
    page = build(lake, "orders", Query())
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
    page = build(lake, "deliveries", Query())
    assert (
        sum(page.stages.values())
        == lake.query('SELECT count(DISTINCT delivery_id) AS n FROM "events/deliveries"')[0]["n"]
    )
    assert all(row.progress == STAGE_PROGRESS[row.stage] for row in page.rows)


def test_search_matches_text_literally(lake: ReplicaServer) -> None:
    build(lake, "orders")
    rows = orders.LISTING.rows(lake, Query().rows._replace(search="o'neil</b"))
    assert {row["customer_name"] for row in rows} == {"<b>O'Neil</b>"}
    assert orders.LISTING.rows(lake, Query().rows._replace(search="%")) == []


def test_filter_restricts_the_rows_and_the_total(lake: ReplicaServer) -> None:
    failed = build(lake, "orders", Query(choices={"status": "failed"}))
    assert failed.total == build(lake, "orders", Query()).statuses["failed"]
    assert {row.status for row in failed.rows} == {"failed"}


@pytest.mark.parametrize("name", PAGES)
def test_page_of_an_empty_lake_names_the_missing_tables(empty: ReplicaServer, name: PageName) -> None:
    page = build(empty, name)
    absent = {missing.what for missing in page.missing if missing.why == "absent"}
    assert absent
    assert absent <= {*PAGES[name].tables}


@pytest.mark.parametrize("name", ["payments", "deliveries"])
def test_charts_have_the_period_of_the_rows(lake: ReplicaServer, name: PageName) -> None:
    day = PeriodQuery(first=TODAY, last=TODAY)
    everything, today = build(lake, name, Query()), build(lake, name, Query(day))
    assert 0 < today.total < everything.total
    assert today.period == (TODAY.isoformat(), TODAY.isoformat())
    if name == "payments":
        outcome = today.charts["outcome"].series[0]
        assert sum(outcome.values) == today.total
    else:
        assert today.charts["timeline"].labels == [TODAY.isoformat()]


def test_stock_is_filtered_by_level(lake: ReplicaServer) -> None:
    levels = {shelf.level for shelf in build(lake, "stock", Query()).shelves}
    for level in ("ok", "low", "out"):
        shown = {shelf.level for shelf in build(lake, "stock", Query(choices={"level": level})).shelves}
        assert shown == levels & ({"low", "out"} if level == "low" else {level})


def test_unfinished_period_is_compared_with_the_same_hours(lake: ReplicaServer) -> None:
    build(lake, "dashboard")
    cards = {card.name: card for card in build_dashboard(lake, PeriodQuery(first=TODAY, last=TODAY)).cards}
    hours = lake.query('SELECT hour, orders FROM "kpi/sales_hourly"')

    def orders_before(end: datetime) -> int:
        return sum(row["orders"] for row in hours if end.date() == row["hour"].date() and row["hour"] < end)

    assert cards["orders"].compared == orders_before(NOW)
    assert cards["orders"].before == orders_before(NOW - timedelta(days=1))
    assert cards["deliveries"].before is None  # known by the day only


def test_charts_compare_with_the_previous_period(lake: ReplicaServer) -> None:
    build(lake, "dashboard")
    chart = build_dashboard(lake, PeriodQuery(first=TODAY, last=TODAY)).charts["orders"]
    hours = {row["hour"]: row["orders"] for row in lake.query('SELECT hour, orders FROM "kpi/sales_hourly"')}
    assert [series.name for series in chart.series] == ["orders", "orders_before"]
    for label, current, before in zip(chart.labels, *(series.values for series in chart.series), strict=True):
        hour = datetime.fromisoformat(label)
        assert (current, before) == (hours.get(hour, 0), hours.get(hour - timedelta(days=1), 0))


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


def test_repeated_parameters_are_refused(api: TestClient) -> None:
    assert api.get("/api/orders?status=paid&search=a").status_code == 200
    refused = api.get("/api/orders?status=paid&status=failed")
    assert (refused.status_code, refused.json()["detail"]) == (
        422,
        "parameter 'status' is given more than once",
    )


@pytest.mark.parametrize("path", ["dashboard", "payments", "deliveries", "product", "orders"])
def test_last_day_of_the_calendar_is_no_error(api: TestClient, path: str) -> None:
    for period in ("to=9999-12-31", "from=9999-12-31", "from=9999-12-31&to=9999-12-31"):
        assert api.get(f"/api/{path}?{period}").status_code == 200, period


@pytest.mark.parametrize("day", ["0", "-2.2e-313", "1767225600", "2026-1-2", "2026-01-02T00:00:00"])
def test_only_iso_dates_are_dates(api: TestClient, day: str) -> None:
    assert api.get("/api/payments", params={"to": day}).status_code == 422


def test_invalid_export_is_refused_before_it_begins(api: TestClient) -> None:
    for query in ("sort=foo", "from=2001-01-01&to=2026-01-01"):
        assert api.get(f"/api/tables/orders.csv?{query}").status_code == 422, query


def test_drivers_have_the_largest_differences_between_whole_days(lake: ReplicaServer) -> None:
    build(lake, "dashboard")
    last, before = TODAY - timedelta(days=1), TODAY - timedelta(days=2)
    page = build_dashboard(lake, PeriodQuery(first=last, last=last))

    def differences(table: str, key: str, cents: str) -> dict[str, int]:
        totals: dict[str, int] = {}
        for row in lake.query(f'FROM "{table}"'):
            sign = {last: 1, before: -1}.get(row["date"], 0)
            totals[row[key]] = totals.get(row[key], 0) + sign * row[cents]
        return totals

    for kind, *table in (
        ("product", "kpi/top_products", "product_id", "gmv_cents"),
        ("category", "kpi/sales_by_category", "category", "net_revenue_cents"),
        ("country", "kpi/sales_by_country", "country", "net_revenue_cents"),
    ):
        shown = {
            driver.id: driver.cents - driver.before_cents for driver in page.drivers if driver.kind == kind
        }
        expected = differences(*table)
        assert shown
        assert shown == {name: expected[name] for name in shown}
        assert min(map(abs, shown.values())) >= max(
            (abs(value) for name, value in expected.items() if name not in shown), default=0
        )
    sizes = [abs(driver.cents - driver.before_cents) for driver in page.drivers]
    assert sizes == sorted(sizes, reverse=True)
    category = page.options.categories[0]
    filtered = build_dashboard(lake, PeriodQuery(first=last, last=last, category=category)).drivers
    assert {driver.kind for driver in filtered} <= {"product"}
