"""Kafka and HDFS away: pages say so, go on showing what they know and of when it is, and recover by themselves."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect

from shopnow.local_stack import stack, supervision
from shopnow.settings import Settings

PAGES = ("dashboard", "orders", "payments", "deliveries", "stock", "pipeline")
OF_TOPICS = ("dashboard", "orders", "pipeline")
AWAY = ("kafka", "namenode")
KNOWN = "What you see is of"

Opened = Callable[..., Page]


@contextmanager
def away(settings: Settings) -> Iterator[None]:
    supervision.stop(settings, AWAY)
    try:
        yield
    finally:
        stack.up(settings, lambda subject, what: None, AWAY)


def test_pages_go_on_with_what_they_know_while_kafka_and_hdfs_are_away_and_recover(
    opened: Opened, running: Settings
) -> None:
    pages = {name: opened(name) for name in PAGES}
    for page in pages.values():
        expect(page.locator("main tbody tr").first).to_be_visible(timeout=60_000)
        expect(page.get_by_text("cannot be read just now")).to_have_count(0)
    with away(running):
        for name, page in pages.items():
            expect(page.get_by_text("The lake cannot be read just now")).to_contain_text(
                KNOWN, timeout=30_000
            )
            if name in OF_TOPICS:
                expect(page.get_by_text("Kafka cannot be read just now")).to_contain_text(
                    KNOWN, timeout=30_000
                )
            expect(page.locator("main tbody tr").first).to_be_visible()
            expect(page.get_by_text("Traceback")).to_have_count(0)
    for page in pages.values():
        expect(page.get_by_text("cannot be read just now")).to_have_count(0, timeout=60_000)
