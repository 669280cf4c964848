"""Every page of the tab, in both languages and colours, wide and on a phone, with the keyboard and for those who do not see it."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from shopnow.local_stack import airflow

TITLES = {
    "dashboard": ("Dashboard", "Tableau de bord"),
    "orders": ("Orders", "Commandes"),
    "payments": ("Payments", "Paiements"),
    "deliveries": ("Deliveries", "Livraisons"),
    "stock": ("Stock and alerts", "Stock et alertes"),
    "pipeline": ("Pipeline", "Pipeline"),
    "api": ("API", "API"),
}
LOOKS = [("en", "light"), ("fr", "dark")]

Opened = Callable[..., Page]


def ready(page: Page) -> None:
    """Waits until nothing is being read for the first time any more."""
    expect(page.get_by_text("for the first time")).to_have_count(0, timeout=60_000)
    expect(page.get_by_text("Première lecture")).to_have_count(0, timeout=60_000)


@pytest.mark.parametrize(("language", "theme"), LOOKS)
@pytest.mark.parametrize("name", TITLES)
def test_page_speaks_the_language_of_airflow_and_has_no_serious_accessibility_finding(
    opened: Opened, hurdles: Callable[[Page], list], name: str, language: str, theme: str
) -> None:
    page = opened(name, language=language, theme=theme)
    ready(page)
    expect(page.locator("h1")).to_have_text(TITLES[name][language == "fr"])
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    assert not hurdles(page)


@pytest.mark.parametrize("name", TITLES)
def test_page_fits_a_phone(opened: Opened, name: str) -> None:
    page = opened(name, viewport={"width": 390, "height": 844})
    ready(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_pages_follow_airflows_setting_while_they_are_open(opened: Opened) -> None:
    page = opened("orders")
    page.evaluate("localStorage.setItem('i18nextLng', 'fr'); localStorage.setItem('theme', 'dark')")
    expect(page.locator("h1")).to_have_text("Commandes")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_keyboard_alone_leads_to_every_page(opened: Opened) -> None:
    page = opened("dashboard")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the page")).to_be_focused()
    for name in ("dashboard", "orders"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=TITLES[name][0], exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Orders")


def test_tab_stands_in_airflows_navigation_and_leads_to_its_dags(
    logged_in: Callable[..., BrowserContext],
) -> None:
    page = logged_in(airflow.USERNAME).new_page()
    page.goto("/")
    page.get_by_role("link", name="ShopNow+").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Net revenue")).to_be_visible(timeout=30_000)
    frame.get_by_role("link", name="Pipeline", exact=True).click()
    frame.get_by_role("link", name="Run land_events").click()
    page.wait_for_url("**/dags/land_events")
    expect(page.get_by_role("button", name="Trigger").first).to_be_visible(timeout=30_000)
    page.context.close()


def test_chart_can_be_read_as_a_table_and_taken_as_json(opened: Opened) -> None:
    page = opened("dashboard")
    ready(page)
    panel = page.locator(".panel", has=page.get_by_role("heading", name="Orders per day"))
    with page.expect_download() as download:
        panel.get_by_role("link", name="JSON").click()
    chart = json.loads(download.value.path().read_text())
    panel.get_by_role("button", name="Table").click()
    expect(panel.locator("tbody tr")).to_have_count(len(chart["labels"]))
    assert chart["series"][0]["name"] == "orders"
