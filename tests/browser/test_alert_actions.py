"""Acknowledging and silencing alerts on the stock page, and the permission this takes."""

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

pytestmark = pytest.mark.needs("browser")

OpenPage = Callable[..., Page]
AccessibilityViolations = Callable[[Page], list]

MINUTE = 60_000
"""Timeout in milliseconds."""


@pytest.fixture(scope="module")
def alert(stack_settings: Settings) -> str:
    """The fingerprint of an alert that fires within a minute."""
    product = f"product-{uuid.uuid4().hex[:8]}"
    sell_out(stack_settings.bootstrap_servers, product)
    return f"stock_out:{product}"


def alert_row(page: Page, alert: str) -> Locator:
    return page.locator("tr").filter(has_text=alert.partition(":")[2]).first


def request_body(alert: str) -> dict[str, str]:
    request_id = uuid7(round(time.time() * 1000), uuid.uuid4().hex)
    return {"request_id": request_id, "alert": alert, "reason": "a test"}


def test_user_acknowledges_an_alert(
    open_page: OpenPage, accessibility_violations: AccessibilityViolations, alert: str
) -> None:
    page = open_page("stock")
    button = page.get_by_role("button", name=f"Acknowledge: {alert}")
    button.click(timeout=MINUTE)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("ordered <b>more</b>")
    assert not accessibility_violations(page)
    dialog.get_by_role("button", name="Acknowledge").click()
    action = page.locator(".alert-actions li").filter(has_text=alert)
    expect(action).to_contain_text(re.compile("Queued|Running"), timeout=5_000)
    expect(button).to_be_disabled()
    expect(alert_row(page, alert)).to_contain_text("Acknowledged", timeout=MINUTE)
    expect(action).to_contain_text("Done")
    expect(button).to_have_count(0)
    state = alert_row(page, alert).get_by_title("ordered <b>more</b>")
    expect(state).to_have_attribute("title", re.compile(f"^{airflow.ADMIN_USER}, shopnow_tab__"))


def test_user_silences_an_alert_by_keyboard_in_french(
    open_page: OpenPage, accessibility_violations: AccessibilityViolations, alert: str
) -> None:
    page = open_page("stock", language="fr", theme="dark")
    button = page.get_by_role("button", name=f"Mettre en sourdine : {alert}")
    expect(button).to_be_enabled(timeout=MINUTE)  # `press` does not wait for it
    button.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Motif")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
    button.press("Enter")
    until = datetime.now(UTC) + timedelta(hours=1)
    dialog.get_by_label("Jusqu'au (UTC)").fill(f"{until:%Y-%m-%dT%H:%M}")
    assert not accessibility_violations(page)
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()  # the reason is required
    dialog.get_by_label("Motif").fill("inventaire")
    page.keyboard.press("Enter")
    silences = page.get_by_role("region", name="Mises en sourdine")
    expect(silences.locator("tr").filter(has_text=alert)).to_contain_text(f"{until:%H:%M}", timeout=MINUTE)
    expect(alert_row(page, alert)).to_contain_text("En sourdine jusqu'au")


def test_page_shows_why_an_action_failed(open_page: OpenPage) -> None:
    page = open_page("stock")
    response = page.request.post(
        "/shopnow/api/alerts/acknowledge",
        headers={"X-ShopNow": "1"},
        data=request_body("stock_out:nothing"),
    )
    assert response.status == 202
    action = page.locator(".alert-actions li").filter(has_text="stock_out:nothing")
    expect(action).to_contain_text("Failed: alert 'stock_out:nothing' has never fired", timeout=MINUTE)


def test_viewer_sees_alerts_without_permission_to_act_on_them(open_page: OpenPage, alert: str) -> None:
    page = open_page("stock", user=airflow.VIEWER_USER)
    expect(page.get_by_role("button", name=f"Silence: {alert}")).to_be_disabled(timeout=MINUTE)
    expect(page.get_by_text("View only: no permission to acknowledge or silence")).to_be_visible()
    for action in ("acknowledge", "silence"):
        response = page.request.post(
            f"/shopnow/api/alerts/{action}", headers={"X-ShopNow": "1"}, data=request_body(alert)
        )
        assert response.status == 403


def test_user_approves_a_restock_from_its_alert(
    open_page: OpenPage, accessibility_violations: AccessibilityViolations
) -> None:
    page = open_page("stock")
    button = page.get_by_role("button", name=re.compile("^Approve ")).first
    product = str(button.get_attribute("aria-label", timeout=MINUTE)).partition(": ")[2]
    row = page.get_by_role("region", name="Alerts").locator("tr", has_text=product)
    button.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("To order")).to_have_value(re.compile(r"[1-9]\d*"))
    assert not accessibility_violations(page)
    dialog.get_by_label("To order").fill("7")
    with page.expect_response("**/hitlDetails") as answered:
        dialog.get_by_role("button", name="Approve").click()
    expect(row).to_contain_text("Ordered")
    expect(dialog).to_have_count(0)
    question = page.request.get(answered.value.url).json()
    assert question["chosen_options"] == ["Approve"]
    assert question["params_input"]["pieces"] == 7
    assert question["responded_by_user"]["name"] == airflow.ADMIN_USER
    page.reload()  # the proposal is closed once its run has ended
    expect(row).to_contain_text("Answered", timeout=MINUTE)


def test_viewer_cannot_approve_a_restock(open_page: OpenPage) -> None:
    page = open_page("stock", user=airflow.VIEWER_USER)
    expect(page.get_by_role("button", name=re.compile("^Approve ")).first).to_be_disabled(timeout=MINUTE)
