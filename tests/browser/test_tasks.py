"""What a shop manager does most often takes at most four clicks."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.needs("browser")

OpenPage = Callable[..., Page]
FIRST_READ = 60_000
"""Timeout in milliseconds."""
MAX_CLICKS = 4


class Hand:
    """Clicks on a page, and counts the clicks; a choice from a list is one, too."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, target: Locator) -> None:
        self.clicks += 1
        target.click(timeout=FIRST_READ)

    def click_link(self, name: str) -> None:
        self.click(self.page.get_by_role("link", name=name, exact=True))

    def choose(self, label: str, value: str) -> None:
        self.clicks += 1
        self.page.get_by_label(label).select_option(value)


@pytest.fixture
def hand(open_page: OpenPage) -> Iterator[Hand]:
    """A hand on the first page."""
    hand = Hand(open_page("dashboard"))
    yield hand
    assert 0 < hand.clicks <= MAX_CLICKS


def test_how_the_best_product_of_the_month_sells(hand: Hand) -> None:
    hand.click(hand.page.get_by_role("button", name="30 days"))
    best = hand.page.get_by_role("region", name="Top products").locator("tbody a").first
    expect(best).to_be_visible(timeout=FIRST_READ)
    name = best.inner_text()
    hand.click(best)
    expect(hand.page.locator(".panel h2").first).to_have_text(name, timeout=FIRST_READ)


def test_order_more_of_the_most_urgent_product(hand: Hand) -> None:
    hand.click_link("Stock and alerts")
    hand.click(hand.page.get_by_role("button", name=re.compile("^Approve ")).first)
    hand.click(hand.page.get_by_role("dialog").get_by_role("button", name="Approve"))
    expect(hand.page.get_by_role("dialog")).to_have_count(0)
    expect(hand.page.get_by_text("Ordered", exact=True)).to_be_visible()


def test_where_a_parcel_is(hand: Hand) -> None:
    hand.click_link("Deliveries")
    hand.click(hand.page.get_by_role("region", name="Deliveries", exact=True).locator("tbody a").first)
    expect(hand.page.locator(".timeline")).to_contain_text("Delivery created", timeout=FIRST_READ)


def test_all_orders_of_a_customer(hand: Hand) -> None:
    hand.click_link("Orders")
    rows = hand.page.get_by_role("region", name="Orders", exact=True).locator("tbody tr")
    hand.click(rows.first.locator("a").nth(1))
    expect(hand.page.get_by_role("button", name="All customers")).to_be_visible()
    expect(rows.first).to_be_visible()


def test_a_spreadsheet_of_the_failed_payments_of_a_week(hand: Hand) -> None:
    hand.click_link("Payments")
    hand.click(hand.page.get_by_role("button", name="7 days"))
    hand.choose("Status", "failed")
    with hand.page.expect_download() as download:
        hand.click_link("CSV")
    lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert all("Failed" in line for line in lines[1:])
