"""Services that end are restarted, after a pause if they end at once, and the monitor reports each end."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from shopnow.local_stack import marked_processes, stack, supervision
from shopnow.local_stack.service_monitor import ServiceChecker
from shopnow.local_stack.services import SERVICES, is_ready
from shopnow.settings import Settings
from support.free_ports import settings_on_free_ports


@pytest.fixture
def settings(tmp_path, monkeypatch, request) -> Iterator[Settings]:
    """Settings of a running service that, by default, ends long after its start."""
    monkeypatch.setattr(supervision, "START_SECONDS", getattr(request, "param", 0))
    settings = settings_on_free_ports(tmp_path)
    stack.up(settings, lambda subject, what: None, ["slack"])
    yield settings
    stack.down(settings)


def process(settings: Settings) -> supervision.Process:
    return next(process for process in supervision.list_processes(settings) if process.name == "slack")


def kill(settings: Settings) -> int:
    """Kill the service, and wait until it has another process; returns the process id of the killed one."""
    killed = process(settings).pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    assert supervision.wait_until(lambda: process(settings).pid not in (None, killed), 30)
    return killed


@pytest.mark.parametrize("settings", [0, 30], indirect=True, ids=["while it runs", "while it starts"])
def test_a_service_is_restarted_each_time_it_ends_and_a_stopped_one_is_not(settings):
    for _ in range(2):
        kill(settings)
        assert supervision.wait_until(lambda: is_ready(SERVICES["slack"], settings), 30)
    supervision.stop(settings, ["slack"])
    stopped = process(settings)
    assert not stopped.running
    assert not stopped.died


def test_what_a_killed_service_left_behind_ends_before_the_service_restarts(settings):
    mark = {marked_processes.SERVICE_VARIABLE: f"{settings.key}/slack"}
    with subprocess.Popen(["sleep", "600"], env={**os.environ, **mark}) as leftover:
        try:
            kill(settings)
            assert leftover.wait(10) == -signal.SIGTERM
        finally:
            leftover.kill()


def test_the_monitor_reports_the_end_also_of_a_service_that_is_back_already(settings):
    checker = ServiceChecker(settings)
    assert list(checker.check()) == []
    kill(settings)
    assert supervision.wait_until(lambda: is_ready(SERVICES["slack"], settings), 30)
    descriptions = {problem.key: problem.description for problem in checker.check()}
    assert descriptions.keys() == {"service/slack"}
    assert re.match(
        r"slack ended at ..:..:.. UTC and is restarted; see .*slack.log$", descriptions["service/slack"]
    )
