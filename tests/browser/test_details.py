"""From a name to the page of an order, a product or a customer, and back."""

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from shopnow.local_stack import airflow

pytestmark = pytest.mark.needs("browser")

OpenPage = Callable[..., Page]
AccessibilityViolations = Callable[[Page], list]
FIRST_READ = 60_000
"""Timeout in milliseconds."""
PHONE = {"width": 390, "height": 844}


def test_order_opens_from_its_delivery_and_leads_to_its_customer(
    open_page: OpenPage, accessibility_violations: AccessibilityViolations
) -> None:
    page = open_page("deliveries?stage=delivered")
    link = page.get_by_role("region", name="Deliveries", exact=True).locator("tbody a").first
    expect(link).to_be_visible(timeout=FIRST_READ)
    order = link.inner_text()
    link.click()
    timeline = page.locator(".timeline")
    expect(timeline.locator("li").first).to_contain_text("Order placed", timeout=FIRST_READ)
    expect(timeline).to_contain_text("Payment succeeded")
    assert not accessibility_violations(page)
    page.locator(".facts a").click()
    rows = page.get_by_role("region", name="Orders", exact=True).locator("tbody tr")
    expect(rows.filter(has_text=order)).to_have_count(1)
    customer = page.get_by_role("button", name="All customers")
    number = customer.inner_text().removeprefix("Customer ").removesuffix(" ✕")
    api = page.request.get(f"/shopnow/api/orders?customer_id={number}").json()
    expect(rows).to_have_count(min(api["total"], 25))
    page.go_back()
    expect(timeline.locator("li").first).to_be_visible()
    page.go_back()
    delivered = page.get_by_role("button", name=re.compile("^Delivered"))
    expect(delivered).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("fr", "dark")])
def test_product_opens_from_the_stock(
    open_page: OpenPage, accessibility_violations: AccessibilityViolations, language: str, theme: str
) -> None:
    page = open_page("stock", language=language, theme=theme, viewport=PHONE)
    table = page.get_by_role("region", name="Stock", exact=True)
    link = table.locator("tbody a").first
    expect(link).to_be_visible(timeout=FIRST_READ)
    name = link.inner_text()
    link.click()
    expect(page.locator(".panel h2").first).to_have_text(name, timeout=FIRST_READ)
    expect(page.locator("canvas").first).to_be_visible()
    assert not accessibility_violations(page)
    expect(page.locator("html")).to_have_js_property("scrollWidth", PHONE["width"])
    page.reload()
    expect(page.locator(".panel h2").first).to_have_text(name, timeout=FIRST_READ)


def test_unknown_order_is_named(open_page: OpenPage) -> None:
    page = open_page("order?id=o-<b>nothing</b>")
    expect(page.get_by_text("There is no order o-<b>nothing</b>")).to_be_visible(timeout=FIRST_READ)


def test_page_of_a_run_in_airflow_has_its_receipts(
    logged_in: Callable[..., BrowserContext],
) -> None:
    context = logged_in(airflow.ADMIN_USER)
    context.add_init_script("localStorage.setItem('i18nextLng', 'en')")
    page = context.new_page()
    page.goto("/")
    query = "/api/v2/dags/land_events/dagRuns?state=success&order_by=run_after&limit=1"
    run_id = page.request.get(query).json()["dag_runs"][0]["dag_run_id"]
    page.goto(f"/dags/land_events/runs/{quote(run_id, safe='')}")
    page.get_by_role("link", name="Receipts").click()
    frame = page.frame_locator("iframe")
    receipts = frame.get_by_role("region", name="Batches and receipts").locator("tbody tr")
    expect(receipts.filter(has_text="orders")).to_have_count(1, timeout=FIRST_READ)
    context.close()
