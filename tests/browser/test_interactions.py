"""User interactions: create orders and payments, search, filter, download, and the permissions these take."""

import csv
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from factories.events import event, unique_event_id
from shopnow.events import OrderPlaced, encode
from shopnow.ids import uuid7
from shopnow.local_stack import airflow, airflow_api, supervision
from shopnow.settings import Settings
from support.kafka_topics import send

pytestmark = pytest.mark.needs("browser")

OpenPage = Callable[..., Page]
COUNT_SOUNDS = """
    window.soundCount = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function () { window.soundCount++; return start.call(this); };
"""
HIDE_PAYMENTS = """
    window.hidePayments = true;
    window.EventSource = class { addEventListener() {} close() {} };  // so that the page polls
    const originalFetch = window.fetch;
    window.fetch = async (...args) => {
        const response = await originalFetch(...args);
        const isActivity = String(args[0]).includes("activity") && response.status === 200;
        if (!window.hidePayments || !isActivity) return response;
        const body = await response.json();
        const events = body.events.filter((event) => event.topic !== "payments");
        return new Response(JSON.stringify({...body, events}), response);
    };
"""
RECEIVED = re.compile(
    r"Received by the service (\w+): (o-[\w-]+) .* topic (\w+), partition (\d+), offset (\d+)"
)
SEND_HEADERS = {"X-ShopNow": "1"}
EMPTY_ORDER = {"request_id": "x"}
"""An order that the API rejects as invalid."""


@pytest.fixture
def viewer(logged_in: Callable[..., BrowserContext]) -> BrowserContext:
    return logged_in(airflow.VIEWER_USER)


def create_order(page: Page, customer: str) -> str:
    """Create an order with the form and return its id."""
    page.get_by_label("Customer").fill(customer)
    page.get_by_role("button", name="Create order").click()
    result = page.locator(".send-result")
    expect(result).to_contain_text("Received by the service orders", timeout=20_000)
    receipt = RECEIVED.search(result.inner_text())
    assert receipt
    assert receipt[3] == "orders"
    return receipt[2]


def new_request_id() -> str:
    return uuid7(round(time.time() * 1000), uuid.uuid4().hex)


def place_order(page: Page) -> str:
    """Place an order through the API and return its id."""
    body = {"request_id": new_request_id()}
    response = page.request.post("/shopnow/api/orders", headers=SEND_HEADERS, data=body)
    assert response.status == 201
    return response.json()["subject"]


def pay(page: Page, order: str) -> None:
    page.get_by_label("Order", exact=True).fill(order)
    page.get_by_role("button", name="Pay", exact=True).click()


def sound_count(page: Page) -> int:
    return page.evaluate("window.soundCount")


def test_created_order_is_in_the_latest_activity_within_two_seconds(open_page: OpenPage) -> None:
    page = open_page("orders")
    expect(page.locator(".activity li").first).to_be_visible(timeout=20_000)
    create_order(page, "Zoé <script>alert(1)</script> Tester")
    expect(page.locator(".activity")).to_contain_text("Zoé <script>alert(1)</script> Tester", timeout=2_500)


def test_created_order_reaches_the_lake_and_the_kpis_after_a_pipeline_run(
    open_page: OpenPage, stack_settings: Settings
) -> None:
    page, dashboard = open_page("orders"), open_page("dashboard")
    dashboard.get_by_role("button", name="30 days").click()
    order_count = dashboard.locator(
        ".card", has=dashboard.get_by_role("heading", name="Orders", exact=True)
    ).locator(".value")

    def counts_agree() -> bool:
        """Whether the dashboard and the lake have the same number of orders."""
        return order_count.inner_text() == f"{page.request.get('/shopnow/api/orders').json()['total']:,}"

    expect(order_count).to_have_text(re.compile(r"\d"), timeout=60_000)
    assert supervision.wait_until(counts_agree, 60)
    count_before = order_count.inner_text()
    order = create_order(page, "Ada Counted")
    with airflow_api.connect(stack_settings) as api:
        airflow_api.trigger(api, "land_events", {})
    page.get_by_label("Search").fill(order)
    row = page.get_by_role("region", name="Orders", exact=True).locator("tbody tr")
    expect(row).to_have_count(1, timeout=180_000)
    expect(row).to_contain_text("Ada Counted")
    expect(order_count).not_to_have_text(count_before, timeout=120_000)
    assert supervision.wait_until(counts_agree, 60)


def test_order_of_another_producer_is_shown_at_once_and_marked_until_it_is_proved(
    open_page: OpenPage, stack_settings: Settings
) -> None:
    page = open_page("orders")
    table = page.get_by_role("region", name="Orders", exact=True)
    expect(table.locator("tbody tr").first).to_be_visible(timeout=60_000)
    order = event(OrderPlaced, datetime.now(UTC), event_id=unique_event_id(), order_id=unique_event_id())
    send({"bootstrap.servers": stack_settings.bootstrap_servers}, "orders", [encode(order)])
    row = table.locator("tbody tr", has_text=order.order_id)
    expect(row).to_contain_text("provisional", timeout=10_000)
    # Nothing is triggered: the records wake landing.
    expect(row).not_to_contain_text("provisional", timeout=120_000)
    expect(row).to_have_count(1)


def test_orders_are_generated_until_stopped(open_page: OpenPage) -> None:
    page = open_page("orders")
    page.clock.install()
    page.get_by_role("button", name="Auto-generate").click()
    expect(page.get_by_text("2 created", exact=True)).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Stop generating").click()
    expect(page.get_by_role("button", name="Auto-generate")).to_be_visible()
    methods: list[str] = []
    page.on("request", lambda request: methods.append(request.method))
    page.clock.run_for(10_000)  # time of the page
    # This request comes last, so once it is answered all earlier requests are in the list.
    page.evaluate("fetch('api/me').then((response) => response.status)")
    assert "GET" in methods
    assert "POST" not in methods


def test_orders_are_generated_on_other_pages_and_after_a_reload(open_page: OpenPage) -> None:
    page = open_page("orders")
    page.get_by_role("button", name="Auto-generate").click()
    page.get_by_role("link", name="Payments", exact=True).click()
    stop = page.get_by_role("button", name="Generating orders")
    with page.expect_request("**/api/orders", timeout=20_000):
        expect(stop).to_be_visible()
    page.reload()
    with page.expect_request("**/api/orders", timeout=20_000):
        expect(stop).to_be_visible()
    stop.click()
    expect(stop).to_have_count(0)
    page.reload()
    expect(page.locator("h1")).to_have_text("Payments")
    expect(stop).to_have_count(0)


def test_orders_are_searched_sorted_and_paged(open_page: OpenPage) -> None:
    page = open_page("orders")
    table = page.get_by_role("region", name="Orders", exact=True)
    expect(table.locator("tbody tr").first).to_be_visible(timeout=60_000)
    table.get_by_role("button", name="Amount").click()
    expect(table.locator("th", has_text="Amount")).to_have_attribute("aria-sort", "descending")
    first_order = table.locator("tbody tr code").first.inner_text()
    page.get_by_role("button", name="Next page").click()
    expect(table.locator("tbody tr code").first).not_to_have_text(first_order)
    page.get_by_label("Search").fill(first_order)
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(table.locator("tbody tr code")).to_have_text(first_order)


def test_deliveries_are_filtered_by_stage(open_page: OpenPage) -> None:
    page = open_page("deliveries")
    table = page.get_by_role("region", name="Deliveries", exact=True)
    expect(table.locator("tbody tr").first).to_be_visible(timeout=60_000)
    for stage in ("Pending", "In transit", "Delivered"):
        button = page.get_by_role("button", name=re.compile(f"^{stage}"))
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        other_badges = table.locator("tbody .badge").filter(has_not_text=re.compile(f"{stage}|Overdue"))
        expect(other_badges).to_have_count(0)


def test_payment_sound_plays_only_while_switched_on(open_page: OpenPage) -> None:
    page = open_page("payments", init_script=COUNT_SOUNDS)

    def pay_and_wait() -> str:
        order = place_order(page)
        pay(page, order)
        expect(page.locator(".send-result")).to_contain_text(order, timeout=20_000)
        return order

    pay_and_wait()
    page.get_by_role("button", name="Sound off").click()
    count_before = sound_count(page)
    pay_and_wait()
    assert supervision.wait_until(lambda: sound_count(page) > count_before, 10)
    page.get_by_role("button", name="Sound on").click()
    count_when_muted = sound_count(page)
    muted = pay_and_wait()
    # The row is pushed after the activity that plays sounds.
    table = page.get_by_role("region", name="Payments", exact=True)
    expect(table).to_contain_text(muted, timeout=20_000)
    assert sound_count(page) == count_when_muted
    page.get_by_role("button", name="Sound off").click()
    page.reload()
    expect(page.get_by_role("button", name="Sound on")).to_be_visible()


def test_sound_plays_for_the_first_payment_a_page_receives(open_page: OpenPage) -> None:
    page = open_page("payments", init_script=COUNT_SOUNDS + HIDE_PAYMENTS)
    page.get_by_role("button", name="Sound off").click()
    for _ in range(2):  # the page has handled the first response when it sends the second request
        page.wait_for_event("response", lambda response: "api/activity" in response.url)
    count_before = sound_count(page)
    page.evaluate("window.hidePayments = false")
    pay(page, place_order(page))
    assert supervision.wait_until(lambda: sound_count(page) > count_before, 10)


def test_order_is_paid_from_its_row_once(open_page: OpenPage) -> None:
    page = open_page("orders")
    order = place_order(page)
    row = page.get_by_role("region", name="Orders", exact=True).locator("tbody tr", has_text=order)
    button = row.get_by_role("button", name=f"Pay: {order}")
    button.click(timeout=20_000)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Outcome").select_option("failed")
    dialog.get_by_role("button", name="Pay").click()
    expect(row).to_contain_text("Failed", timeout=20_000)
    button.click()
    dialog.get_by_role("button", name="Pay").click()
    expect(row).to_contain_text("Paid", timeout=20_000)
    expect(button).to_have_count(0)
    for refused, reason in ((order, "is paid already"), ("o-nothing", "there is no order 'o-nothing'")):
        body = {"request_id": new_request_id(), "order_id": refused, "method": "card"}
        response = page.request.post("/shopnow/api/payments", headers=SEND_HEADERS, data=body)
        assert response.status == 422
        assert reason in response.json()["detail"]


@pytest.mark.parametrize("name", ["orders", "payments", "deliveries"])
def test_page_is_downloaded_as_csv_and_pdf(open_page: OpenPage, name: str) -> None:
    page = open_page(name)
    expect(page.locator("main tbody tr").first).to_be_visible(timeout=60_000)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with download.value.path().open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 25
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("link", name="PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")


def test_viewer_has_no_permission_to_send(open_page: OpenPage, viewer: BrowserContext) -> None:
    page = open_page("orders", user=airflow.VIEWER_USER)
    expect(page.get_by_role("button", name="Create order")).to_be_disabled()
    expect(page.get_by_text("View only: no permission to send")).to_be_visible()
    response = viewer.request.post("/shopnow/api/orders", headers=SEND_HEADERS, data=EMPTY_ORDER)
    assert response.status == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({**SEND_HEADERS, "Origin": "https://evil.example"}, 403),
        ({**SEND_HEADERS, "Sec-Fetch-Site": "cross-site"}, 403),
        (SEND_HEADERS, 422),
    ],
)
def test_cross_site_requests_are_rejected(
    logged_in: Callable[..., BrowserContext], headers: dict[str, str], status: int
) -> None:
    request = logged_in(airflow.ADMIN_USER).request
    assert request.post("/shopnow/api/orders", data=EMPTY_ORDER, headers=headers).status == status


@pytest.mark.parametrize(
    "path",
    ["", "assets/app.js", "api/dashboard", "api/orders", "api/openapi.json", "api/tables/orders.csv"],
)
def test_every_route_requires_a_login(browser: Browser, stack_settings: Settings, path: str) -> None:
    context = browser.new_context(base_url=airflow.url(stack_settings))
    assert context.request.get(f"/shopnow/{path}").status == 401
    context.close()
