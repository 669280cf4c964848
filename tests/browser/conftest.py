"""A real Chromium, and people logged in to the running stack with it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from shopnow.local_stack import airflow
from shopnow.settings import Settings

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
WIDE, PHONE = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}

AXE = Path(__file__).parent / "axe" / "axe.min.js"
"""axe-core 4.14.1 as its npm package has it, under the MPL 2.0."""


@pytest.fixture(scope="session")
def running(request: pytest.FixtureRequest) -> Settings:
    """A stack that has run the demo; `SHOPNOW_TEST_STACK=1` uses the one of the environment's settings instead."""
    if os.environ.get("SHOPNOW_TEST_STACK"):
        return Settings.load()
    request.getfixturevalue("demo")
    return request.getfixturevalue("settings")


# As long as it is open, Playwright has an event loop running: it must not be open when tests of other folders start theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium: this machine's, else Playwright's own."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(
                executable_path=path, args=["--no-sandbox", "--disable-background-networking"]
            )
        except Error as error:
            pytest.skip(f"no Chromium: {str(error).splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture(scope="module")
def logged_in(browser: Browser, running: Settings) -> Callable[..., BrowserContext]:
    """Opens a browser as one of Airflow's users."""
    states: dict[str, dict] = {}

    def logged_in(name: str, **settings: object) -> BrowserContext:
        if name not in states:
            context = browser.new_context(base_url=airflow.url(running))
            page = context.new_page()
            page.goto("/auth/login?next=/")
            page.fill("[name=username]", name)
            page.fill("[name=password]", airflow.password(running, name))
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "/auth/" not in url)
            states[name] = context.storage_state()
            context.close()
        return browser.new_context(
            base_url=airflow.url(running), storage_state=states[name], **{"viewport": WIDE, **settings}
        )

    return logged_in


@pytest.fixture
def opened(logged_in: Callable[..., BrowserContext]) -> Iterator[Callable[..., Page]]:
    """Opens a page of the tab; afterwards none may have said anything on its console."""
    contexts: list[BrowserContext] = []
    said: list[str] = []

    def opened(
        name: str,
        user: str = airflow.USERNAME,
        language: str = "en",
        theme: str = "light",
        init: str = "",
        **settings: object,
    ) -> Page:
        context = logged_in(user, **settings)
        contexts.append(context)
        context.add_init_script(
            f"localStorage.setItem('i18nextLng', '{language}'); localStorage.setItem('theme', '{theme}'); {init}"
        )
        page = context.new_page()
        page.on(
            "console",
            lambda message: said.append(message.text) if message.type in {"error", "warning"} else None,
        )
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"/shopnow/#/{name}")
        page.locator("main .panel").first.wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not said


@pytest.fixture(scope="session")
def hurdles() -> Callable[[Page], list[tuple[str, str]]]:
    """What a page has that keeps people out, by axe-core: findings that are serious or critical."""
    source = AXE.read_text(encoding="utf-8")

    def hurdles(page: Page) -> list[tuple[str, str]]:
        page.evaluate(source)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        return [
            (each["id"], each["nodes"][0]["html"][:200])
            for each in found
            if each["impact"] in {"serious", "critical"}
        ]

    return hurdles
