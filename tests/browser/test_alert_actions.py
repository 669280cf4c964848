"""What people do about alerts on the page, and what they may not."""

import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from factories.stock_out import sell_out
from shopnow.ids import uuid7
from shopnow.local_stack import airflow
from shopnow.settings import Settings

Opened = Callable[..., Page]
Hurdles = Callable[[Page], list]

MINUTE = 60_000


@pytest.fixture(scope="module")
def alert(running: Settings) -> str:
    """The fingerprint of an alert that fires, or will within a minute."""
    product = f"product-{uuid.uuid4().hex[:8]}"
    sell_out(running.bootstrap_servers, product)
    return f"stock_out:{product}"


def row_of(page: Page, alert: str) -> Locator:
    return page.locator("tr").filter(has_text=alert.partition(":")[2]).first


def test_alert_is_acknowledged_on_the_page(opened: Opened, hurdles: Hurdles, alert: str) -> None:
    page = opened("stock")
    button = page.get_by_role("button", name=f"Acknowledge: {alert}")
    button.click(timeout=MINUTE)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("ordered <b>more</b>")
    assert not hurdles(page)
    dialog.get_by_role("button", name="Acknowledge").click()
    acts = page.locator(".acts li").filter(has_text=alert)
    expect(acts).to_contain_text(re.compile("taken, waiting for Airflow|being done"), timeout=5_000)
    expect(button).to_be_disabled()
    expect(row_of(page, alert)).to_contain_text("acknowledged", timeout=MINUTE)
    expect(acts).to_contain_text("done")
    expect(button).to_have_count(0)
    who = row_of(page, alert).get_by_title("ordered <b>more</b>")
    expect(who).to_have_attribute("title", re.compile(f"^{airflow.ADMIN_USER}, shopnow_tab__"))


def test_alert_is_silenced_by_keyboard_and_in_french(opened: Opened, hurdles: Hurdles, alert: str) -> None:
    page = opened("stock", language="fr", theme="dark")
    button = page.get_by_role("button", name=f"Mettre en sourdine: {alert}")
    button.press("Enter", timeout=MINUTE)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Raison")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
    button.press("Enter")
    until = datetime.now(UTC) + timedelta(hours=1)
    dialog.get_by_label("Jusqu'au (UTC)").fill(f"{until:%Y-%m-%dT%H:%M}")
    assert not hurdles(page)
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()  # it asks for a reason
    dialog.get_by_label("Raison").fill("inventaire")
    page.keyboard.press("Enter")
    silences = page.get_by_role("region", name="Mises en sourdine")
    expect(silences.locator("tr").filter(has_text=alert)).to_contain_text(f"{until:%H:%M}", timeout=MINUTE)
    expect(row_of(page, alert)).to_contain_text("en sourdine jusqu'au")


def asked(alert: str) -> dict[str, str]:
    request_id = uuid7(round(time.time() * 1000), f"{time.time_ns():032x}")
    return {"request_id": request_id, "alert": alert, "reason": "a test"}


def test_page_says_why_something_was_not_done(opened: Opened) -> None:
    page = opened("stock")
    taken = page.request.post(
        "/shopnow/api/alerts/acknowledge", headers={"X-ShopNow": "1"}, data=asked("stock_out:nothing")
    )
    assert taken.status == 202
    acts = page.locator(".acts li").filter(has_text="stock_out:nothing")
    expect(acts).to_contain_text(
        "Not done: alert 'stock_out:nothing' has never fired", timeout=MINUTE
    )


def test_viewer_sees_alerts_and_does_nothing_about_them(opened: Opened, alert: str) -> None:
    page = opened("stock", user=airflow.VIEWER_USER)
    expect(page.get_by_role("button", name=f"Silence: {alert}")).to_be_disabled(timeout=MINUTE)
    expect(page.get_by_text("that takes the right to trigger the DAG acknowledge_alert")).to_be_visible()
    for action in ("acknowledge", "silence"):
        assert (
            page.request.post(
                f"/shopnow/api/alerts/{action}", headers={"X-ShopNow": "1"}, data=asked(alert)
            ).status
            == 403
        )
