"""Keeps the unit tier what it is: a unit test that starts a process or a Spark session fails."""

import os
import sys
from collections.abc import Iterator

import croniter  # noqa: F401  (Airflow's; it starts a process when it is imported)
import pytest
from hypothesis import core, settings

# No test depends on the speed of the machine, and the printed seed replays the examples of a run.
settings.register_profile("unit", deadline=None, max_examples=50, database=None)
settings.load_profile("unit")
core.global_force_seed = int(os.environ["SHOPNOW_TEST_SEED"])

STARTS_A_PROCESS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"})
"""Audit events of Python."""

_is_running = False


def _forbid_processes(event: str, arguments: tuple) -> None:
    if _is_running and event in STARTS_A_PROCESS:
        raise AssertionError(
            f"a unit test starts a process ({event} {arguments[:2]}): move it to tests/services"
        )


sys.addaudithook(_forbid_processes)


@pytest.fixture(autouse=True)
def _no_process() -> Iterator[None]:
    global _is_running
    _is_running = True
    yield
    _is_running = False
