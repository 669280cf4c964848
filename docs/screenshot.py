"""Take the pictures of the docs: `PYTHONPATH=include:tests .venv/bin/python docs/screenshot.py`.

Run it after `./shopnow demo`: `airflow` and `tab` show the running stack, `report` the sample data of the
tests. Names as arguments, as in `docs/screenshot.py tab report`, select pictures. The tab looks best with two
weeks of data, such as a new shop's after `generate_traffic` with `{"hours": 360, "sessions_per_day": 900}`.
Requires the packages of `./shopnow test` and a Chromium on the PATH, such as Debian's.
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
"""By name: the path, a text that the page shows once it is loaded, the height of the picture in pixels."""
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
    page.fill("[name=username]", airflow.ADMIN_USER)
    page.fill("[name=password]", airflow.password(settings))
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    for name in names & STACK.keys():
        path, text, height = STACK[name]
        page.set_viewport_size({"width": WIDTH, "height": height})
        page.goto(path)
        content = page.frame_locator("iframe") if "plugin" in path else page
        content.get_by_text(text).first.wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=ROOT / "docs" / f"{name}.png")


def take_report(browser: Browser) -> None:
    with TemporaryDirectory() as lake:
        kpi_sample.write(lake, kpi_sample.sample())
        day = kpi_sample.DAY
        day_report = report.compose(
            numbers.read(lake, day, kpi_sample.midnight(day) + timedelta(days=1, hours=6))
        )
    document = html.document(day_report, "http://127.0.0.1:8080/dags/management_report")
    for chart in day_report.charts:
        document = document.replace(
            f'"cid:{chart.name}"', f'"data:image/png;base64,{b64encode(charts.png(chart)).decode()}"'
        )
    page = browser.new_page(viewport={"width": 720, "height": 1500})
    page.set_content(document)
    page.screenshot(path=ROOT / "docs" / "report.png")


if __name__ == "__main__":
    main()
