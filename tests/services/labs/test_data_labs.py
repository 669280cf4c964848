"""The labs on running services: each check fails on a lake with traffic, and passes with the solution.

The DAGs that a learner's stack runs are played by a thread that lands new records and computes the tables.
"""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest

from shopnow import connections
from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.cli import lab_catalog
from shopnow.lake.ingest import small_landing
from shopnow.settings import ROOT
from shopnow.traffic.generate import generate
from support import lab_process
from support.storage_services import run_kafka_with_shared_hdfs

DATA_LABS = [lab for lab in lab_catalog.labs() if lab.script]


class Dags:
    """Lands and computes as land_events and compute_kpis do, until it is stopped."""

    def __init__(self, conf: Conf, lake: str, refresh: Callable[[str], object]) -> None:
        self._arguments, self._refresh = (conf, lake), refresh
        self._lock, self._stop, self._failures = threading.Lock(), threading.Event(), []
        self._thread = threading.Thread(target=self._run)

    def run_once(self) -> None:
        with self._lock:
            conf, lake = self._arguments
            if small_landing.land(conf, lake, {}).landed:
                self._refresh(lake)

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            try:
                self.run_once()
            except Exception as error:
                self._failures.append(error)
                return

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
        assert self._failures == []

    @contextmanager
    def paused(self) -> Iterator[None]:
        with self._lock:
            yield


@pytest.fixture(scope="module")
def stack(tmp_path_factory, refresh) -> Iterator[tuple[dict[str, str], Dags]]:
    """Connections to a Kafka of its own, as a lab deletes records, with a day of traffic in the lake."""
    shared = tmp_path_factory.getbasetemp().parent / "hdfs"
    with run_kafka_with_shared_hdfs(tmp_path_factory.mktemp("labs"), shared) as settings:
        active = connections.local_defaults(settings)
        lake = f"{settings.lake_uri}/{uuid.uuid4()}"
        active["webhdfs_default"]["extra"]["lake"] = lake
        conf = connections.kafka_conf(active)
        topics.create(conf, topics.shop_topics(partitions=3))
        generate(conf, "the day before the labs", sessions=30, seed=1)
        dags = Dags(conf, lake, refresh)
        dags.run_once()
        with dags.running():
            yield {connections.variable_name(id_): json.dumps(active[id_]) for id_ in active}, dags


@pytest.mark.parametrize("lab", DATA_LABS, ids=lambda lab: lab.folder.name)
def test_the_check_fails_without_the_solution_and_passes_with_it(lab, stack, tmp_path):
    variables, dags = stack
    root = lab_process.copy_checkout(tmp_path / "shopnow") if lab.patch else ROOT
    before = lab_process.check(root, lab.number, variables)
    assert lab_process.missing(before) == before["requirements"][0]["text"]
    assert "answer the check" not in lab_process.missing(before)
    with dags.paused() if lab.folder.name == "recover_from_lost_offsets" else nullcontext():
        applied = lab_process.run(root, "solution", lab.number, "--apply", "--yes", **variables)
    assert applied.returncode == 0, applied.stderr
    assert lab_process.missing(lab_process.check(root, lab.number, variables)) == ""


def test_services_that_do_not_answer_are_named_with_what_to_do(nowhere_variables):
    process = lab_process.run(ROOT, "check", 1, **nowhere_variables)
    assert process.returncode == 1
    assert "Traceback" not in process.stdout + process.stderr
    assert "check the address, that HDFS runs" in process.stderr


@pytest.fixture
def nowhere_variables() -> dict[str, str]:
    """Connections to an HDFS that does not answer."""
    connection = {
        "conn_type": "webhdfs",
        "host": "127.0.0.1",
        "port": 1,
        "extra": {"lake": "hdfs://127.0.0.1:1/x"},
    }
    return {connections.variable_name("webhdfs_default"): json.dumps(connection)}
