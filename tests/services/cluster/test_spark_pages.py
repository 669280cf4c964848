"""The pages of Spark's master, which have no login, change nothing."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from shopnow.cluster import spark
from shopnow.cluster.services import Container
from shopnow.local_stack import supervision
from support.free_ports import free_ports

FORMS = ("/app/kill/", "/driver/kill/")
"""Targets of the kill links of applications and drivers."""


@contextmanager
def run_master(container: Container, folder: Path, overrides: dict[str, str]) -> Iterator[httpx.Client]:
    """Run a master with the cluster's configuration; yield a client of its pages."""
    folder.mkdir()
    conf = {**spark.conf(container.cluster, container.settings), **overrides}
    text = "".join(f"{name} {value}\n" for name, value in conf.items())
    (folder / "spark-defaults.conf").write_text(text)
    rpc, pages = free_ports(2)
    environment = spark.environment(container.cluster, container.settings, container.java_home)
    command = [*spark.master()[:2], "--host", "127.0.0.1", "--port", str(rpc), "--webui-port", str(pages)]
    with (
        (folder / "log").open("w") as log,
        httpx.Client(base_url=f"http://127.0.0.1:{pages}", timeout=30) as client,
        subprocess.Popen(
            command,
            env={**os.environ, **environment, "SPARK_CONF_DIR": str(folder), "SPARK_LOCAL_IP": "127.0.0.1"},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            assert supervision.wait_until(lambda: is_up(client), 60), (folder / "log").read_text()
            yield client
        finally:
            process.kill()


def is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/json/").status_code == 200
    except httpx.TransportError:
        return False


def open_forms(client: httpx.Client) -> set[str]:
    """Return the forms that the master does not refuse as such."""
    fields = {"id": "none", "terminate": "true"}
    answers = {form: client.post(form, data=fields) for form in FORMS}
    return {form for form, answer in answers.items() if answer.status_code != httpx.codes.METHOD_NOT_ALLOWED}


def test_nobody_can_kill_anything(container, tmp_path):
    with run_master(container, tmp_path / "closed", {}) as client:
        assert open_forms(client) == set()


def test_the_forms_are_open_without_the_setting(container, tmp_path):
    with run_master(container, tmp_path / "open", {"spark.ui.killEnabled": "true"}) as client:
        assert open_forms(client) == set(FORMS)
