"""Every page of the tab: languages and themes, accessibility, phone width, keyboard, charts and links."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect

from shopnow.local_stack import airflow

pytestmark = pytest.mark.needs("browser")

TITLES = {
    "dashboard": ("Dashboard", "Tableau de bord"),
    "orders": ("Orders", "Commandes"),
    "payments": ("Payments", "Paiements"),
    "deliveries": ("Deliveries", "Livraisons"),
    "stock": ("Stock and alerts", "Stock et alertes"),
    "pipeline": ("Pipeline", "Pipeline"),
    "api": ("API", "API"),
}
"""English and French title by page name."""
LANGUAGES_AND_THEMES = [("en", "light"), ("fr", "dark")]
LOADING = re.compile("^(Loading|Chargement|Premier chargement)")
PHONE: ViewportSize = {"width": 390, "height": 844}

OpenPage = Callable[..., Page]


def wait_until_loaded(page: Page) -> None:
    """Wait until the page has loaded its data for the first time."""
    expect(page.get_by_text(LOADING)).to_have_count(0, timeout=60_000)


@pytest.mark.parametrize("name", TITLES)
def test_page_follows_airflows_settings_is_accessible_and_fits_a_phone(
    open_page: OpenPage, accessibility_violations: Callable[[Page], list], name: str
) -> None:
    """In both languages and themes, the second pair chosen while the page is open."""
    page = open_page(name)
    wait_until_loaded(page)
    for index, (language, theme) in enumerate(LANGUAGES_AND_THEMES):
        page.evaluate(
            f"localStorage.setItem('i18nextLng', '{language}'); localStorage.setItem('theme', '{theme}')"
        )
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        expect(page.locator("h1")).to_have_text(TITLES[name][index])
        wait_until_loaded(page)
        assert not accessibility_violations(page)
    page.set_viewport_size(PHONE)
    # Charts and tables are laid out again a moment later.
    expect(page.locator("html")).to_have_js_property("scrollWidth", PHONE["width"])


def test_pages_are_reachable_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("dashboard")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    for name in ("dashboard", "orders"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=TITLES[name][0], exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Orders")


def test_tab_is_in_airflows_navigation_and_links_to_dags(
    logged_in: Callable[..., BrowserContext],
) -> None:
    page = logged_in(airflow.ADMIN_USER).new_page()
    page.goto("/")
    page.get_by_role("link", name="ShopNow+").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Net revenue", exact=True)).to_be_visible(timeout=30_000)
    frame.get_by_role("link", name="Pipeline", exact=True).click()
    frame.get_by_role("link", name="Run land_events").click()
    page.wait_for_url("**/dags/land_events")
    expect(page.get_by_role("button", name="Trigger").first).to_be_visible(timeout=30_000)
    page.context.close()


def test_chart_is_available_as_table_and_json(open_page: OpenPage) -> None:
    page = open_page("dashboard")
    wait_until_loaded(page)
    panel = page.locator(".panel", has=page.get_by_role("heading", name="Orders per day"))
    with page.expect_download() as download:
        panel.get_by_role("link", name="JSON").click()
    chart = json.loads(download.value.path().read_text())
    panel.get_by_role("button", name="Table").click()
    expect(panel.locator("tbody tr")).to_have_count(len(chart["labels"]))
    assert chart["series"][0]["name"] == "orders"
