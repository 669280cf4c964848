"""The choices of a page are in its address: reload, links, Back and the exports keep them."""

import csv
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from shopnow.local_stack import airflow

pytestmark = pytest.mark.needs("browser")

OpenPage = Callable[..., Page]
FIRST_READ = 60_000
"""Timeout in milliseconds."""


def orders(page: Page) -> Locator:
    return page.get_by_role("region", name="Orders", exact=True)


def hash_of(page: Page) -> str:
    return page.evaluate("location.hash")


def expect_paid_by_amount(page: Page) -> None:
    """Expect the choices of `choose_paid_by_amount`, in the controls and in the rows."""
    expect(page.get_by_label("Status")).to_have_value("paid", timeout=FIRST_READ)
    expect(page.get_by_role("button", name="30 days")).to_have_attribute("aria-pressed", "true")
    expect(orders(page).locator("th", has_text="Amount")).to_have_attribute("aria-sort", "descending")
    expect(orders(page).locator("tbody tr").first).to_contain_text("Paid", timeout=FIRST_READ)
    expect(orders(page).locator("tbody tr").filter(has_not_text="Paid")).to_have_count(0)


def choose_paid_by_amount(page: Page) -> None:
    page.get_by_role("button", name="30 days").click()
    page.get_by_label("Status").select_option("paid")
    orders(page).get_by_role("button", name="Amount").click()
    expect_paid_by_amount(page)


def test_choices_survive_reload_back_and_forward(open_page: OpenPage) -> None:
    page = open_page("orders")
    expect(orders(page).locator("tbody tr").first).to_be_visible(timeout=FIRST_READ)
    choose_paid_by_amount(page)
    assert hash_of(page) == "#/orders?period=30&status=paid&sort=-total_cents"
    page.reload()
    expect_paid_by_amount(page)
    page.go_back()
    expect(orders(page).locator("th", has_text="Date")).to_have_attribute("aria-sort", "descending")
    expect(page.get_by_label("Status")).to_have_value("paid")
    page.go_back()
    expect(page.get_by_label("Status")).to_have_value("")
    page.go_forward()
    page.go_forward()
    expect_paid_by_amount(page)


def test_search_is_in_the_address_but_each_pause_is_no_step_back(open_page: OpenPage) -> None:
    page = open_page("dashboard")
    page.get_by_role("link", name="Payments", exact=True).click()
    for text in ("pay-", "pay-1"):
        page.get_by_label("Search").fill(text)
        expect(page).to_have_url(re.compile(f"search={text}$"))
    page.reload()
    expect(page.get_by_label("Search")).to_have_value("pay-1")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Dashboard")


def test_custom_period_of_a_link_is_shown(open_page: OpenPage) -> None:
    page = open_page("dashboard?period=custom&from=2026-01-02&to=2026-01-03&category=toys")
    expect(page.get_by_label("From", exact=True)).to_have_value("2026-01-02")
    expect(page.get_by_label("To", exact=True)).to_have_value("2026-01-03")
    expect(page.get_by_label("Filter")).to_have_value("category=toys", timeout=FIRST_READ)


def test_airflows_address_has_the_choices_of_its_frame(logged_in: Callable[..., BrowserContext]) -> None:
    context = logged_in(airflow.ADMIN_USER)
    context.add_init_script("localStorage.setItem('i18nextLng', 'en')")
    page = context.new_page()
    page.goto("/plugin/shopnow#/deliveries?stage=delivered")
    frame = page.frame_locator("iframe")
    delivered = frame.get_by_role("button", name=re.compile("^Delivered"))
    expect(delivered).to_have_attribute("aria-pressed", "true", timeout=FIRST_READ)
    frame.get_by_role("button", name=re.compile("^Pending")).click()
    expect(page).to_have_url(re.compile(r"/plugin/shopnow/shopnow/#/deliveries\?stage=pending$"))
    page.reload()
    pending = frame.get_by_role("button", name=re.compile("^Pending"))
    expect(pending).to_have_attribute("aria-pressed", "true", timeout=FIRST_READ)
    page.go_back()
    expect(delivered).to_have_attribute("aria-pressed", "true")
    context.close()


def test_back_returns_to_the_first_page_in_airflow(logged_in: Callable[..., BrowserContext]) -> None:
    context = logged_in(airflow.ADMIN_USER)
    context.add_init_script("localStorage.setItem('i18nextLng', 'en')")
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="ShopNow+").click()
    frame = page.frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text("Dashboard", timeout=FIRST_READ)
    expect(page).to_have_url(re.compile("#/dashboard$"))
    frame.get_by_role("link", name="Orders", exact=True).click()
    expect(frame.locator("h1")).to_have_text("Orders")
    page.go_back()
    expect(frame.locator("h1")).to_have_text("Dashboard")
    context.close()


@pytest.mark.parametrize("language", ["en", "fr"])
def test_csv_has_the_rows_and_the_texts_of_the_page(open_page: OpenPage, language: str) -> None:
    page = open_page("orders?status=delivered&sort=total_cents", language=language)
    table = page.get_by_role("region", name={"en": "Orders", "fr": "Commandes"}[language], exact=True)
    expect(table.locator("tbody tr").first).to_be_visible(timeout=FIRST_READ)
    total = page.request.get("/shopnow/api/orders?status=delivered").json()["total"]
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert re.fullmatch(r"shopnow-orders-\d{8}T\d{4}\.csv", download.value.suggested_filename)
    with download.value.path().open(newline="", encoding="utf-8-sig") as file:
        header, *rows = csv.reader(file, delimiter=";" if language == "fr" else ",")
    assert header[:-1] == [text.rstrip(" ↑") for text in table.locator("th").all_inner_texts()]
    assert len(rows) == total
    shown = table.locator("tbody tr").first.locator("td").all_inner_texts()
    assert (rows[0][0], rows[0][1], rows[0][2], rows[0][6]) == (shown[0], shown[1], shown[2], shown[6])
