"""What surrounds the services fails or is unusual: supervisord's socket, the folders, the path of Airflow."""

import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from playwright.sync_api import Page, sync_playwright

from faults import oracle, worker
from faults.scoreboard import Fault, Scoreboard
from faults.services import Services
from faults.worker import Worker
from shopnow import connections
from shopnow.cli.test_tools import browser_executable
from shopnow.local_stack import data_dir, supervision
from shopnow.traffic import generate
from support import api_server

BATCH_ROWS = 25
PATH = "/airflow"


def test_supervisords_socket_deleted_while_landing(
    services: Services,
    shared_lake: str,
    rng: Random,
    scoreboard: Scoreboard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generate.generate(services.conf, str(uuid.uuid4()), sessions=60, seed=rng.randrange(2**31))
    run = {"conf": services.conf, "lake": shared_lake, "topics": ["views"], "batch_rows": BATCH_ROWS}
    process = Worker("land", **run)
    (data_dir.run_dir(services.settings) / supervision.SOCKET).unlink()
    shutil.rmtree(data_dir.temporary_dir(services.settings))
    monkeypatch.setenv("TMPDIR", "/nowhere")
    assert supervision.unsupervised_processes(services.settings)
    scoreboard.kill(Fault.SURROUNDINGS, "socket deleted")
    at = time.monotonic()
    services.await_ready()
    assert not supervision.unsupervised_processes(services.settings)
    scoreboard.recovered(Fault.SURROUNDINGS, worker.retried(process.wait(), "land", **run).at - at)
    scoreboard.judge(Fault.SURROUNDINGS, oracle.score_raw(services.conf, shared_lake, ["views"]))


@pytest.fixture
def airflow_below_a_path(services: Services, tmp_path: Path) -> Iterator[api_server.ApiServer]:
    variables = connections.environment(services.settings, ["kafka_default", "webhdfs_default"])
    with api_server.run(tmp_path, PATH, variables) as server:
        yield server


@pytest.fixture
def page(airflow_below_a_path: api_server.ApiServer) -> Iterator[Page]:
    """A browser in which a user has logged in."""
    url = airflow_below_a_path.url
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_executable(), args=["--no-sandbox"])
        page = chromium.new_context(base_url=url).new_page()
        page.goto(f"{PATH}/auth/login?next={PATH}/")
        page.fill("[name=username]", api_server.USER)
        page.fill("[name=password]", api_server.PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda address: "/auth/" not in address)
        yield page
        chromium.close()


@pytest.mark.needs("browser")
def test_airflow_below_a_path_serves_the_tab(page: Page, services: Services, scoreboard: Scoreboard) -> None:
    failed: list[str] = []
    page.on(
        "response",
        lambda response: (
            failed.append(f"{response.status} {response.url}") if response.status >= 400 else None
        ),
    )
    page.goto(f"{PATH}/plugin/shopnow")
    frame = page.frame_locator("iframe[title='ShopNow+']")
    frame.locator("main .panel").first.wait_for()
    # The icon of the navigation has arrived.
    page.wait_for_function(
        "[...document.images].some(image => image.src.includes('/shopnow/assets/') && image.naturalWidth > 0)"
    )
    tab = next(each.url for each in page.frames if "/shopnow/" in each.url)
    pdf = page.request.get(f"{PATH}/shopnow/api/pages/pipeline.pdf?language=en")
    assert (pdf.status, pdf.headers["content-type"]) == (200, "application/pdf"), tab
    assert not failed
    page.goto(f"{PATH}/plugin/shopnow#/pipeline")
    frame.locator("nav").get_by_text("Pipeline").click()
    link = frame.locator("a[href*='/dags/']").first
    assert str(link.get_attribute("href")).startswith(f"{PATH}/dags/")
    link.click()
    page.wait_for_url(f"**{PATH}/dags/**")
    scoreboard.judge(Fault.PATH, oracle.Score())
