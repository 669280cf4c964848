"""supervisord is reached wherever its stack is, and its services do not outlive it unnoticed."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shopnow.local_stack import data_dir, stack, supervision
from shopnow.local_stack.service_monitor import ServiceChecker
from shopnow.settings import Settings
from support.free_ports import settings_on_free_ports

SERVICE = "smtp"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A stack whose path is longer than a socket's may be, and neither ASCII nor without blanks."""
    settings = settings_on_free_ports(tmp_path / f"é x {'long' * 30}" / "data")
    yield settings
    stack.down(settings)


def up(settings: Settings) -> list[str]:
    """Start the service; returns what was reported about supervisord."""
    reports: list[str] = []
    stack.up(
        settings,
        lambda subject, event: reports.append(event) if subject == "supervisord" else None,
        [SERVICE],
    )
    return reports


def process(settings: Settings) -> supervision.Process:
    return next(process for process in supervision.list_processes(settings) if process.name == SERVICE)


def test_another_tmpdir_finds_the_same_services(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert up(settings) == []
    pid = process(settings).pid
    monkeypatch.setenv("TMPDIR", "/nowhere")
    assert process(settings).pid == pid
    assert up(settings) == []
    assert process(settings).pid == pid
    stack.down(settings)
    assert supervision.list_stack_processes(settings) == []


@pytest.mark.parametrize("lost", ["socket", "supervisord"])
def test_services_without_supervisord_are_noticed_and_replaced(settings, lost):
    up(settings)
    orphan = psutil.Process(process(settings).pid)
    if lost == "socket":
        (data_dir.run_dir(settings) / supervision.SOCKET).unlink()
    else:
        daemon = orphan.parent()
        daemon.kill()
        daemon.wait()
    assert orphan in supervision.unsupervised_processes(settings)
    assert [problem.key for problem in ServiceChecker(settings).check()] == ["service/supervisord"]
    [report] = up(settings)
    assert "does not answer" in report
    assert not orphan.is_running()
    assert process(settings).running
    assert supervision.unsupervised_processes(settings) == []
