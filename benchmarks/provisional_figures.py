"""When the dashboard of a running stack shows payments, as provisional figures or proved ones."""

import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import httpx

from shopnow.local_stack import airflow, airflow_api
from shopnow.settings import Settings

POLL_SECONDS = 0.2
TIMEOUT_SECONDS = 30.0


class PaymentsCard:
    """How many successful payments the dashboard has shown, at which time."""

    def __init__(self) -> None:
        self.times: list[float] = []
        """Times of the responses in Unix seconds."""
        self.counts: list[int] = []
        """The highest value of the card by then."""
        self.falls = 0
        """How often a value was lower than one before."""

    def add(self, at: float, count: int) -> None:
        highest = self.counts[-1] if self.counts else 0
        self.falls += count < highest
        self.times.append(at)
        self.counts.append(max(count, highest))

    def delays(self, sent: Iterable[float]) -> list[float]:
        """Return the seconds from each payment until the card has counted it.

        The first response is from before all payments, and nobody else pays. Payments that were never
        counted are left out.

        Args:
            sent: times in Unix seconds.
        """
        indexes = (
            (at, bisect_left(self.counts, self.counts[0] + number))
            for number, at in enumerate(sorted(sent), 1)
        )
        return [self.times[index] - at for at, index in indexes if index < len(self.times)]


@contextmanager
def watched_card(settings: Settings, currency: str) -> Iterator[PaymentsCard]:
    """Request the dashboard again and again in a thread, beginning before the block."""
    card, is_over = PaymentsCard(), threading.Event()
    token = airflow_api.fetch_token(airflow.url(settings), airflow.ADMIN_USER, airflow.password(settings))
    with httpx.Client(
        base_url=f"{airflow.url(settings)}/shopnow/api/", cookies={"_token": token}, timeout=TIMEOUT_SECONDS
    ) as client:

        def request() -> None:
            response = client.get("dashboard", params={"preset": "all", "currency": currency})
            cards = {item["name"]: item["value"] for item in response.raise_for_status().json()["cards"]}
            card.add(time.time(), cards["payments"] or 0)

        def watch() -> None:
            while not is_over.wait(POLL_SECONDS):
                request()

        request()
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield card
        finally:
            is_over.set()
            thread.join(TIMEOUT_SECONDS)
