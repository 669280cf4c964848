"""Measure how long after Kafka has acknowledged an order an open page shows it, on the running stack.

    ./shopnow up
    ./shopnow bench seen --trials 40

Sends orders as a producer that Airflow does not know, one after the other, and triggers nothing. A real
browser has the page of orders open; a script in it notes when each order is in the list of the latest
activity, and when it is a row of the table. Then orders are sent by the page's own API, one after the other.
Exits 1 if the 95th percentile of one of the first is over 0.3 s, or that of an answer over 0.1 s, or if an
order does not appear within 30 s. The orders stay in the shop.
"""

import argparse
import json
import random
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import workbench
from confluent_kafka import Producer
from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as BrowserTimeout
from rich.console import Console
from rich.table import Table

from shopnow import connections
from shopnow.cli import test_tools
from shopnow.errors import UserError
from shopnow.events import OrderPlaced, encode, key
from shopnow.examples import example
from shopnow.ids import uuid7
from shopnow.local_stack import airflow, airflow_api
from shopnow.settings import Settings
from shopnow_tab_app.routes.access import HEADER

MAX_SEEN_SECONDS = 0.3
MAX_ANSWER_SECONDS = 0.1
TIMEOUT_SECONDS = 30.0
PLACES = {"activity": ".activity", "table": "[role=region][aria-label=Orders] tbody"}
WATCH = """
    window.seen = {};
    const places = %s;
    new MutationObserver(() => {
        for (const [place, selector] of Object.entries(places)) {
            const text = document.querySelector(selector)?.textContent ?? "";
            for (const [name] of text.matchAll(/bench-[0-9a-f]{12}/g))
                window.seen[`${place} ${name}`] ??= Date.now() / 1000;
        }
    }).observe(document, { subtree: true, childList: true, characterData: true });
"""


def main() -> int:
    options = arguments()
    settings = Settings.load()
    if missing := test_tools.prepare(["browser"], lambda line: print(line, file=sys.stderr)):
        raise UserError("; ".join(missing.values()))
    seconds: dict[str, list[float]] = {place: [] for place in PLACES}
    with open_orders(settings) as page, Console(stderr=True).status("sending orders") as status:
        producer = Producer({**connections.kafka_conf(connections.load(settings)), "linger.ms": 0})
        for number in range(options.trials):
            status.update(f"order {number + 1} of {options.trials}")
            name = f"bench-{uuid.uuid4().hex[:12]}"
            acknowledged = send(producer, name)
            for place, durations in seconds.items():
                seen_at = await_seen(page, f"{place} {name}")
                durations.append(float("inf") if seen_at is None else seen_at - acknowledged)
            time.sleep(random.uniform(0.3, 1.5))  # a person's pace, not a wait for something
    seconds["answer"] = answer_seconds(settings, options.trials)
    result = {"trials": options.trials, **{name: summary(values) for name, values in seconds.items()}}
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print_summary(seconds)
    is_slow = any(
        workbench.percentile(values, 95) > (MAX_ANSWER_SECONDS if name == "answer" else MAX_SEEN_SECONDS)
        for name, values in seconds.items()
    )
    return int(is_slow)


def arguments() -> argparse.Namespace:
    parser = workbench.parser(__doc__)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


@contextmanager
def open_orders(settings: Settings) -> Iterator[Page]:
    """The page of orders in a browser, which notes when it shows an order of this benchmark."""
    token = airflow_api.fetch_token(airflow.url(settings), airflow.ADMIN_USER, airflow.password(settings))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=test_tools.browser_executable(), args=["--no-sandbox"]
        )
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        context.add_cookies([{"name": "_token", "value": token, "url": airflow.url(settings)}])
        context.add_init_script("localStorage.setItem('i18nextLng', 'en');" + WATCH % json.dumps(PLACES))
        page = context.new_page()
        page.goto(f"{airflow.url(settings)}/shopnow/#/orders")
        for selector in PLACES.values():
            page.locator(f"{selector} > *").first.wait_for(timeout=TIMEOUT_SECONDS * 1000)
        yield page
        browser.close()


def send(producer: Producer, name: str) -> float:
    """Send an order of a customer with this name; returns when Kafka had acknowledged it, in Unix seconds."""
    acknowledged: list[float] = []
    now = datetime.now(UTC)
    order = msgspec.structs.replace(
        example(OrderPlaced),
        event_id=uuid7(round(now.timestamp() * 1000), uuid.uuid4().hex),
        event_time=now,
        order_id=str(uuid.uuid4()),
        customer_name=name,
    )
    producer.produce(
        "orders", encode(order), key(order), on_delivery=lambda *_: acknowledged.append(time.time())
    )
    producer.flush(TIMEOUT_SECONDS)
    return acknowledged[0]


def await_seen(page: Page, what: str) -> float | None:
    """Return when the page showed it, in Unix seconds; None if it does not."""
    try:
        seen = page.wait_for_function(
            "what => window.seen[what]", arg=what, timeout=TIMEOUT_SECONDS * 1000, polling=20
        )
    except BrowserTimeout:
        return None
    return float(seen.json_value())


def answer_seconds(settings: Settings, count: int) -> list[float]:
    """Send orders by the page's API, one after the other; returns how long each answer took."""
    token = airflow_api.fetch_token(airflow.url(settings), airflow.ADMIN_USER, airflow.password(settings))
    durations = []
    with httpx.Client(cookies={"_token": token}, headers={HEADER: "1"}, timeout=TIMEOUT_SECONDS) as client:
        for number in range(count + 1):
            body = {"request_id": uuid7(time.time_ns() // 1_000_000, uuid.uuid4().hex)}
            start = time.perf_counter()
            client.post(f"{airflow.url(settings)}/shopnow/api/orders", json=body).raise_for_status()
            if number:  # the first one connects to Kafka
                durations.append(time.perf_counter() - start)
    return durations


def summary(seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "p50_seconds": round(workbench.percentile(seconds, 50), 3),
        "p95_seconds": round(workbench.percentile(seconds, 95), 3),
        "max_seconds": round(max(seconds), 3),
    }


def print_summary(seconds: dict[str, list[float]]) -> None:
    labels = {
        "activity": "acknowledged by Kafka → in the list of activity",
        "table": "acknowledged by Kafka → in the table",
        "answer": "sent by the page → answered",
    }
    table = Table("seconds", "median", "95th percentile", "most")
    for name, label in labels.items():
        table.add_row(label, *(f"{value:.3f}" for value in summary(seconds[name]).values()))
    workbench.show(table)


if __name__ == "__main__":
    workbench.run(main)
