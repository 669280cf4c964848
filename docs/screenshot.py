"""Takes the README's picture of the running stack: `PYTHONPATH=include .venv/bin/python docs/screenshot.py`, after `./shopnow demo`.

Needs the packages of `./shopnow test` and a Chromium on the PATH, such as Debian's.
"""

import shutil

from playwright.sync_api import sync_playwright

from shopnow.platform import airflow
from shopnow.settings import ROOT, Settings

PICTURES = {"airflow.png": "/dags"}


def main() -> None:
    settings = Settings.load()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000}, base_url=airflow.url(settings))
        page.goto("/")
        page.fill("[name=username]", airflow.USERNAME)
        page.fill("[name=password]", airflow.password(settings))
        page.keyboard.press("Enter")
        page.wait_for_url("**/")
        for name, address in PICTURES.items():
            page.goto(address)
            page.get_by_text("watch_stock").first.wait_for()
            page.wait_for_load_state("networkidle")
            page.screenshot(path=ROOT / "docs" / name)
        browser.close()


if __name__ == "__main__":
    main()
