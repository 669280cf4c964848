"""A real Chromium with users logged in to the running stack."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from shopnow.cli.test_tools import browser_executable
from shopnow.local_stack import airflow
from shopnow.settings import Settings

DESKTOP = {"width": 1440, "height": 1000}

AXE = Path(__file__).parent / "axe" / "axe.min.js"
"""axe-core 4.14.1 as published in its npm package, under the MPL 2.0."""


@pytest.fixture(scope="session")
def stack_settings(request: pytest.FixtureRequest) -> Settings:
    """Settings of a stack that has run the demo; SHOPNOW_TEST_STACK selects the running one instead."""
    if os.environ.get("SHOPNOW_TEST_STACK"):
        return Settings.load()
    request.getfixturevalue("demo")
    return request.getfixturevalue("settings")


@pytest.fixture(scope="session")
def logins() -> dict[str, Any]:
    """Cookies of the users that have logged in, by name."""
    return {}


# Module scope, as Playwright runs an event loop while open and tests of other folders start their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, or else the one of Playwright."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser_executable(), args=["--no-sandbox", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def logged_in(
    browser: Browser, stack_settings: Settings, logins: dict[str, Any]
) -> Callable[..., BrowserContext]:
    """Opens a browser context as one of the Airflow users."""
    base_url = airflow.url(stack_settings)

    def logged_in(user: str, **options: object) -> BrowserContext:
        if user not in logins:
            context = browser.new_context(base_url=base_url)
            page = context.new_page()
            page.goto("/auth/login?next=/")
            page.fill("[name=username]", user)
            page.fill("[name=password]", airflow.password(stack_settings, user))
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "/auth/" not in url)
            logins[user] = context.storage_state()
            context.close()
        return browser.new_context(
            base_url=base_url, storage_state=logins[user], **{"viewport": DESKTOP, **options}
        )

    return logged_in


@pytest.fixture
def open_page(logged_in: Callable[..., BrowserContext]) -> Iterator[Callable[..., Page]]:
    """Opens a page of the tab. Fails the test if a page logs an error or a warning on its console."""
    contexts: list[BrowserContext] = []
    console: list[str] = []

    def open_page(
        name: str,
        user: str = airflow.ADMIN_USER,
        language: str = "en",
        theme: str = "light",
        init_script: str = "",
        **options: object,
    ) -> Page:
        context = logged_in(user, **options)
        contexts.append(context)
        context.add_init_script(
            f"localStorage.setItem('i18nextLng', '{language}'); localStorage.setItem('theme', '{theme}');"
            f"{init_script}"
        )
        page = context.new_page()
        page.on(
            "console",
            lambda message: console.append(message.text) if message.type in {"error", "warning"} else None,
        )
        page.on("pageerror", lambda error: console.append(str(error)))
        page.goto(f"/shopnow/#/{name}")
        page.locator("main .panel").first.wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not console


@pytest.fixture(scope="session")
def accessibility_violations() -> Callable[[Page], list[tuple[str, str]]]:
    """Finds serious and critical accessibility violations of a page with axe-core: rule and first element."""
    axe = AXE.read_text(encoding="utf-8")

    def accessibility_violations(page: Page) -> list[tuple[str, str]]:
        page.evaluate(axe)
        violations = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        return [
            (violation["id"], violation["nodes"][0]["html"][:200])
            for violation in violations
            if violation["impact"] in {"serious", "critical"}
        ]

    return accessibility_violations
