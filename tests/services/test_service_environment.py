"""Processes of the stack do not have what the user's shell has in its environment."""

from collections.abc import Iterator

import psutil
import pytest

from shopnow.local_stack import stack, supervision
from shopnow.settings import Settings
from support.free_ports import settings_on_free_ports

SERVICES = ["smtp", "slack", "postgres"]


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Iterator[Settings]:
    monkeypatch.setenv("A_TOKEN_OF_THE_USER", "secret")
    monkeypatch.setenv("LC_MESSAGES", "C")
    settings = settings_on_free_ports(tmp_path / "data")
    yield settings
    stack.down(settings)


def test_services_do_not_inherit_the_users_environment(settings):
    stack.up(settings, lambda subject, what: None, SERVICES)
    processes = supervision.list_stack_processes(settings)
    assert len(processes) > len(SERVICES)
    for process in processes:
        variables = process.environ()
        assert "A_TOKEN_OF_THE_USER" not in variables, name(process)
        assert variables["LC_MESSAGES"] == "C", name(process)


def name(process: psutil.Process) -> str:
    return " ".join(process.cmdline())
