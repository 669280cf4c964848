"""What people do on the pages: search, filter, order, pay, take things with them; and what they may not."""

import csv
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from shopnow.local_stack import airflow, airflow_api, supervision
from shopnow.settings import Settings

Opened = Callable[..., Page]
HEARD = """
    window.heard = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function () { window.heard++; return start.call(this); };
"""
WITHOUT_PAYMENTS = """
    window.without = true;
    const ask = window.fetch;
    window.fetch = async (...asked) => {
        const answer = await ask(...asked);
        if (!window.without || !String(asked[0]).includes("activity") || answer.status !== 200) return answer;
        const found = await answer.json();
        return new Response(JSON.stringify({...found, events: found.events.filter((event) => event.topic !== "payments")}), answer);
    };
"""
SENT = re.compile(r"Received by the service (\w+): (o-[\w-]+) .* topic (\w+), partition (\d+), offset (\d+)")


@pytest.fixture
def viewer(logged_in: Callable[..., BrowserContext]) -> BrowserContext:
    return logged_in(airflow.VIEWER)


def rows(page: Page, title: str) -> int:
    return page.get_by_role("region", name=title, exact=True).locator("tbody tr").count()


def create(page: Page, customer: str) -> str:
    """Creates an order by the form; gives its id."""
    page.get_by_label("Customer").fill(customer)
    page.get_by_role("button", name="Create an order").click()
    answer = page.locator(".sent")
    expect(answer).to_contain_text("Received by the service orders", timeout=20_000)
    found = SENT.search(answer.inner_text())
    assert found
    assert found[3] == "orders"
    return found[2]


def test_order_created_is_in_the_latest_activity_within_two_seconds(opened: Opened) -> None:
    page = opened("orders")
    expect(page.locator(".latest li").first).to_be_visible(timeout=20_000)
    create(page, "Zoé <script>alert(1)</script> Tester")
    expect(page.locator(".latest")).to_contain_text("Zoé <script>alert(1)</script> Tester", timeout=2_500)


def test_order_created_is_in_the_lake_and_the_figures_once_the_pipeline_has_run(
    opened: Opened, running: Settings
) -> None:
    page, dashboard = opened("orders"), opened("dashboard")
    dashboard.get_by_role("button", name="30 days").click()
    figure = dashboard.locator(
        ".card", has=dashboard.get_by_role("heading", name="Orders", exact=True)
    ).locator(".value")

    def agree() -> bool:
        """Whether the dashboard counts as many orders as the lake has."""
        return figure.inner_text() == f"{page.request.get('/shopnow/api/orders').json()['total']:,}"

    expect(figure).to_have_text(re.compile(r"\d"), timeout=60_000)
    assert supervision.wait_until(agree, 60)
    before = figure.inner_text()
    order = create(page, "Ada Counted")
    with airflow_api.connect(running) as api:
        airflow_api.trigger(api, "land_events", {})
    page.get_by_label("Search").fill(order)
    row = page.get_by_role("region", name="Orders", exact=True).locator("tbody tr")
    expect(row).to_have_count(1, timeout=180_000)
    expect(row).to_contain_text("Ada Counted")
    expect(figure).not_to_have_text(before, timeout=120_000)
    assert supervision.wait_until(agree, 60)


def test_orders_are_generated_until_stopped(opened: Opened) -> None:
    page = opened("orders")
    page.clock.install()
    page.get_by_role("button", name="Auto-generate").click()
    expect(page.get_by_text("2 created here")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Stop generating").click()
    expect(page.get_by_role("button", name="Auto-generate")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    page.clock.run_for(10_000)  # of the page's own time
    page.evaluate("fetch('api/me').then((answer) => answer.status)")  # what was asked before is known by then
    assert "GET" in asked
    assert "POST" not in asked


def test_orders_are_searched_sorted_and_turned(opened: Opened) -> None:
    page = opened("orders")
    table = page.get_by_role("region", name="Orders", exact=True)
    expect(table.locator("tbody tr").first).to_be_visible(timeout=60_000)
    table.get_by_role("button", name="Amount").click()
    expect(table.locator("th", has_text="Amount")).to_have_attribute("aria-sort", "descending")
    first = table.locator("tbody tr code").first.inner_text()
    page.get_by_role("button", name="Next page").click()
    expect(table.locator("tbody tr code").first).not_to_have_text(first)
    page.get_by_label("Search").fill(first)
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(table.locator("tbody tr code")).to_have_text(first)


def test_deliveries_are_filtered_by_where_they_are(opened: Opened) -> None:
    page = opened("deliveries")
    table = page.get_by_role("region", name="Deliveries", exact=True)
    expect(table.locator("tbody tr").first).to_be_visible(timeout=60_000)
    for stage in ("Pending", "In transit", "Delivered"):
        page.get_by_role("button", name=re.compile(f"^{stage}")).click()
        expect(page.get_by_role("button", name=re.compile(f"^{stage}"))).to_have_attribute(
            "aria-pressed", "true"
        )
        expect(
            table.locator("tbody .badge").filter(has_not_text=re.compile(f"{stage}|Overdue"))
        ).to_have_count(0)


def test_payment_is_heard_once_the_sound_is_on_and_not_when_it_is_off_again(opened: Opened) -> None:
    page = opened("payments", init=HEARD)

    def pay(order: str) -> None:
        page.get_by_label("Order", exact=True).fill(order)
        page.get_by_label("Amount").fill("12.50")
        page.get_by_role("button", name="Pay", exact=True).click()
        expect(page.locator(".sent")).to_contain_text(order, timeout=20_000)

    pay("o-before")
    page.get_by_role("button", name="Sound off").click()
    before = page.evaluate("window.heard")
    pay("o-heard")
    assert supervision.wait_until(lambda: page.evaluate("window.heard") > before, 10)
    page.get_by_role("button", name="Sound on").click()
    muted = page.evaluate("window.heard")
    pay("o-muted")
    assert supervision.wait_until(
        lambda: "o-muted" in page.evaluate("fetch('api/activity').then((answer) => answer.text())"), 10
    )
    # The first answer may be of before, the second tells of the payment, and with the third the page has made of the second what it does.
    page.clock.install()
    for _ in range(3):
        with page.expect_response(lambda answer: "api/activity" in answer.url):
            page.clock.run_for(2_000)
    assert page.evaluate("window.heard") == muted


def test_first_payment_that_a_page_sees_is_heard_as_well(opened: Opened) -> None:
    page = opened("payments", init=HEARD + WITHOUT_PAYMENTS)
    page.get_by_role("button", name="Sound off").click()
    for _ in range(2):  # the page has made of the first what it does when it asks again
        page.wait_for_event("response", lambda answer: "api/activity" in answer.url)
    before = page.evaluate("window.heard")
    page.evaluate("window.without = false")
    page.get_by_label("Order", exact=True).fill("o-first")
    page.get_by_label("Amount").fill("12.50")
    page.get_by_role("button", name="Pay", exact=True).click()
    assert supervision.wait_until(lambda: page.evaluate("window.heard") > before, 10)


@pytest.mark.parametrize("name", ["orders", "payments", "deliveries"])
def test_table_and_page_can_be_taken_along(opened: Opened, name: str) -> None:
    page = opened(name)
    expect(page.locator("main tbody tr").first).to_be_visible(timeout=60_000)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with download.value.path().open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) > 25
    assert "event_time" in lines[0]
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("link", name="PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")


def test_viewer_sees_everything_and_sends_nothing(opened: Opened, viewer: BrowserContext) -> None:
    page = opened("orders", user=airflow.VIEWER)
    expect(page.get_by_role("button", name="Create an order")).to_be_disabled()
    expect(page.get_by_text("that takes the right to trigger the DAG send_events")).to_be_visible()
    refused = viewer.request.post("/shopnow/api/orders", headers={"X-ShopNow": "1"}, data={"request_id": "x"})
    assert refused.status == 403


def test_what_another_site_sends_is_refused(logged_in: Callable[..., BrowserContext]) -> None:
    request = logged_in(airflow.USERNAME).request
    body = {"request_id": "x"}
    assert request.post("/shopnow/api/orders", data=body).status == 403
    assert (
        request.post(
            "/shopnow/api/orders", data=body, headers={"X-ShopNow": "1", "Origin": "https://evil.example"}
        ).status
        == 403
    )
    assert (
        request.post(
            "/shopnow/api/orders", data=body, headers={"X-ShopNow": "1", "Sec-Fetch-Site": "cross-site"}
        ).status
        == 403
    )
    assert request.post("/shopnow/api/orders", data=body, headers={"X-ShopNow": "1"}).status == 422


def test_nothing_is_given_to_who_is_not_logged_in(browser, running) -> None:
    context = browser.new_context(base_url=airflow.url(running))
    for path in (
        "",
        "assets/app.js",
        "api/dashboard",
        "api/orders",
        "api/openapi.json",
        "api/tables/orders.csv",
    ):
        assert context.request.get(f"/shopnow/{path}").status == 401
    context.close()
