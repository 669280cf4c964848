"""What surrounds the services fails or is unusual: supervisord's socket, the folders, the path of Airflow."""

import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx
import pytest

from faults import oracle, worker
from faults.scoreboard import Fault, Scoreboard
from faults.services import NAMES, Services
from faults.worker import Worker
from shopnow import connections
from shopnow.local_stack import data_dir, stack, supervision
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
    stack.up(services.settings, lambda subject, event: None, NAMES)
    assert not supervision.unsupervised_processes(services.settings)
    scoreboard.recovered(Fault.SURROUNDINGS, worker.retried(process.wait(), "land", **run).at - at)
    scoreboard.judge(Fault.SURROUNDINGS, oracle.score_raw(services.conf, shared_lake, ["views"]))


@pytest.fixture
def airflow_below_a_path(services: Services, tmp_path: Path) -> Iterator[api_server.ApiServer]:
    variables = connections.environment(services.settings, ["kafka_default", "webhdfs_default"])
    with api_server.run(tmp_path, PATH, variables) as server:
        yield server


def await_answer(client: httpx.Client, url: str) -> httpx.Response:
    """Request the address until the tab has read the lake."""
    answers: list[httpx.Response] = []

    def has_read_the_lake() -> bool:
        answers.append(client.get(url))
        return answers[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

    assert supervision.wait_until(has_read_the_lake, 60), answers[-1].text
    return answers[-1].raise_for_status()


def test_airflow_below_a_path_serves_the_tab(
    airflow_below_a_path: api_server.ApiServer, scoreboard: Scoreboard
) -> None:
    server = airflow_below_a_path
    with httpx.Client(headers={"Authorization": f"Bearer {server.login()}"}, timeout=60) as client:
        plugins = client.get(f"{server.url}/api/v2/plugins").json()["plugins"]
        [view] = [
            view for plugin in plugins for view in plugin["external_views"] if view["name"] == "ShopNow+"
        ]
        frame = httpx.URL(server.url).join(view["href"])
        answers = {
            address: await_answer(client, str(frame.join(address)))
            for address in (view["href"], view["icon"], "api/dashboard", "api/pages/dashboard.pdf")
        }
    kinds = [answer.headers["content-type"].partition(";")[0] for answer in answers.values()]
    assert kinds == ["text/html", "image/svg+xml", "application/json", "application/pdf"]
    scoreboard.judge(Fault.PATH, oracle.Score())
