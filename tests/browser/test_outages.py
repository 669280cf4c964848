"""Pages during an outage of Kafka and HDFS: they show the last data with its age, and recover."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from shopnow.local_stack import stack, supervision
from shopnow.settings import Settings

pytestmark = pytest.mark.needs("browser")

PAGES = ("dashboard", "orders", "payments", "deliveries", "stock", "pipeline")
KAFKA_PAGES = ("dashboard", "orders", "pipeline")
"""Pages that show data read from Kafka."""
SERVICES = ("kafka", "namenode")
STALE = "Showing data as of"
OUTAGE_TIMEOUT = 30_000
RECOVERY_TIMEOUT = 60_000

OpenPage = Callable[..., Page]


@contextmanager
def outage(settings: Settings) -> Iterator[None]:
    supervision.stop(settings, SERVICES)
    try:
        yield
    finally:
        stack.up(settings, lambda subject, what: None, SERVICES)


def test_pages_show_their_last_data_during_an_outage_and_recover(
    open_page: OpenPage, stack_settings: Settings
) -> None:
    pages = {name: open_page(name) for name in PAGES}
    for page in pages.values():
        expect(page.locator("main tbody tr").first).to_be_visible(timeout=60_000)
        expect(page.get_by_text("is unavailable")).to_have_count(0, timeout=RECOVERY_TIMEOUT)
    with outage(stack_settings):
        for name, page in pages.items():
            lake = page.get_by_text("Lake is unavailable")
            expect(lake).to_contain_text(STALE, timeout=OUTAGE_TIMEOUT)
            if name in KAFKA_PAGES:
                kafka = page.get_by_text("Kafka is unavailable")
                expect(kafka).to_contain_text(STALE, timeout=OUTAGE_TIMEOUT)
            expect(page.locator("main tbody tr").first).to_be_visible()
            expect(page.get_by_text("Traceback")).to_have_count(0)
    for page in pages.values():
        expect(page.get_by_text("is unavailable")).to_have_count(0, timeout=RECOVERY_TIMEOUT)
