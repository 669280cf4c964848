"""Takes the README's pictures: `PYTHONPATH=include:tests .venv/bin/python docs/screenshot.py`, after `./shopnow demo`.

Those of Airflow and of the tab show the running stack, that of a report the day that the tests have made up. Names of some, as in
`docs/screenshot.py tab report`, take these alone. The tab has more to show after two weeks, such as those that `generate_traffic` makes
of `{"hours": 360, "sessions_per_day": 900}` in a new shop. Needs the packages of `./shopnow test` and a Chromium on the PATH, such as
Debian's.
"""

import shutil
import sys
from base64 import b64encode
from datetime import timedelta
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, sync_playwright

from factories import kpi_sample
from shopnow.local_stack import airflow
from shopnow.reports import charts, html, numbers, report
from shopnow.settings import ROOT, Settings

STACK = {"airflow": ("/dags", "watch_stock", 1000), "tab": ("/plugin/shopnow", "Order placed", 1150)}
"""By name the address, what has to be seen there, and how high the picture is."""
REPORT = "report"
WIDTH = 1280


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    names = set(sys.argv[1:]) or {*STACK, REPORT}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        if REPORT in names:
            take_report(browser)
        take_stack(browser, names)
        browser.close()


def take_stack(browser: Browser, names: set[str]) -> None:
    if not names & STACK.keys():
        return
    settings = Settings.load()
    page = browser.new_page(base_url=airflow.url(settings))
    page.goto("/")
    page.fill("[name=username]", airflow.USERNAME)
    page.fill("[name=password]", airflow.password(settings))
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    for name in names & STACK.keys():
        address, seen, height = STACK[name]
        page.set_viewport_size({"width": WIDTH, "height": height})
        page.goto(address)
        (page.frame_locator("iframe") if "plugin" in address else page).get_by_text(seen).first.wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=ROOT / "docs" / f"{name}.png")


def take_report(browser: Browser) -> None:
    with TemporaryDirectory() as lake:
        kpi_sample.write(lake, kpi_sample.sample())
        day = kpi_sample.DAY
        made = report.compose(numbers.read(lake, day, kpi_sample.midnight(day) + timedelta(days=1, hours=6)))
    document = html.document(made, "http://127.0.0.1:8080/dags/management_report")
    for chart in made.charts:
        document = document.replace(
            f'"cid:{chart.name}"', f'"data:image/png;base64,{b64encode(charts.png(chart)).decode()}"'
        )
    page = browser.new_page(viewport={"width": 720, "height": 1500})
    page.set_content(document)
    page.screenshot(path=ROOT / "docs" / "report.png")


if __name__ == "__main__":
    main()
