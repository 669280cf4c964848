"""Pages whose API gives odd answers, without a stack: a panel or row that fails says so, the others work."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from shopnow.settings import ROOT

pytestmark = pytest.mark.needs("browser")

STATIC = ROOT / "plugins" / "shopnow_tab_app" / "static"
TIME = "2026-11-24T12:00:00Z"
ORDER = {
    "order_id": "o-1",
    "customer_name": "Nina",
    "country": "FR",
    "product": "Mug",
    "products": 1,
    "units": 1,
    "total_cents": 2990,
    "currency": "EUR",
    "event_time": TIME,
    "status": "paid",
}
EVENT = {
    "topic": "orders",
    "partition": 0,
    "offset": 0,
    "time": TIME,
    "event_type": "order_placed",
    "subject": "o-1",
    "who": "constructor",
    "cents": 2990,
    "currency": "EUR",
    "pieces": None,
}
ANSWERS: dict[str, Any] = {
    "me": {"may_send": True, "may_act": True, "may_approve": True},
    "products": [],
    "orders": {"as_of": TIME, "missing": [], "rows": [ORDER], "total": 1, "statuses": {}},
    "activity": {"events": [EVENT], "missing": []},
    "changes": None,  # so the page polls
}
LAKE_DOWN = {"what": "lake", "why": "HDFS does not answer", "as_of": None}


@pytest.fixture
def open_orders(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens the page of orders with these answers of the API; an answer of None is an error 503."""
    context = browser.new_context()

    def open_orders(**changes: Any) -> Page:
        answers = ANSWERS | changes

        def respond(route: Route) -> None:
            path = urlsplit(route.request.url).path.removeprefix("/")
            if path.startswith("api/"):
                answer = answers[path.removeprefix("api/")]
                status = 503 if answer is None else 200
                body = {"detail": "Airflow's database does not answer"} if answer is None else answer
                route.fulfill(status=status, body=json.dumps(body), content_type="application/json")
            else:
                route.fulfill(path=STATIC / (path.removeprefix("assets/") or "index.html"))

        page = context.new_page()
        page.route("**/*", respond)
        page.goto("http://tab.example/#/orders")
        return page

    yield open_orders
    context.close()


def test_a_row_that_cannot_be_shown_says_so(open_orders: Callable[..., Page]) -> None:
    rows = [ORDER, {**ORDER, "order_id": "o-2", "event_time": "yesterday"}, {**ORDER, "order_id": "o-3"}]
    page = open_orders(orders={**ANSWERS["orders"], "rows": rows, "total": 3})
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.get_by_text("This row cannot be shown")).to_have_count(1)
    expect(page.get_by_text("o-3")).to_be_visible()


def test_a_panel_that_fails_says_so_and_blanks_no_other(open_orders: Callable[..., Page]) -> None:
    page = open_orders(activity={"events": [EVENT, None], "missing": []})
    expect(page.get_by_text("This part of the page failed")).to_have_count(1)
    expect(page.get_by_text("o-1")).to_be_visible()
    expect(page.get_by_role("heading", name="Create order")).to_be_visible()


def test_unknown_rights_do_not_look_like_missing_rights(open_orders: Callable[..., Page]) -> None:
    page = open_orders(me=None)
    expect(page.get_by_text("Your permissions are not known: Airflow's database")).to_be_visible()
    expect(page.get_by_text("View only")).to_have_count(0)


def test_unknown_data_does_not_look_like_no_data(open_orders: Callable[..., Page]) -> None:
    empty = {**ANSWERS["orders"], "rows": [], "total": 0}
    page = open_orders(orders={**empty, "missing": [LAKE_DOWN]})
    expect(page.get_by_text("Not known at the moment")).to_be_visible()
    expect(page.get_by_text("No data for this selection")).to_have_count(0)
    page = open_orders(orders=None)
    expect(page.get_by_text("Not known at the moment")).to_be_visible()
    page = open_orders(orders=empty)
    expect(page.get_by_text("No data for this selection")).to_be_visible()
