import runpy
import subprocess
import sys
from datetime import timedelta

import pytest

from shopnow import hard_timeout
from shopnow.settings import ROOT

# A mutex locked twice blocks in native code, where no Python signal handler runs.
HANGS = """
import ctypes, signal
from datetime import timedelta
from shopnow import hard_timeout
signal.signal(signal.SIGALRM, lambda *_: exit("the alarm came through"))
signal.setitimer(signal.ITIMER_REAL, 0.2)
hard_timeout.start(timedelta(seconds=1))
lock = ctypes.create_string_buffer(64)
for _ in range(2):
    ctypes.CDLL(None).pthread_mutex_lock(lock)
"""


def test_ends_a_process_that_blocks_in_native_code_and_prints_its_stack() -> None:
    process = subprocess.run(
        [sys.executable, "-c", HANGS],
        env={"PYTHONPATH": str(ROOT / "include")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 1
    assert "Timeout" in process.stderr
    assert "<string>" in process.stderr


def test_a_canceled_timeout_does_not_end_the_process() -> None:
    hard_timeout.start(timedelta(days=1))
    hard_timeout.cancel()


def test_listener_starts_the_timeout_after_the_tasks_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads the task instance as the listener does: if Airflow changed it, the listener would do nothing."""
    from airflow.sdk import BaseOperator
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    plugin = runpy.run_path(str(ROOT / "plugins" / "shopnow_hard_timeout.py"))
    limits: list[timedelta] = []
    monkeypatch.setattr(hard_timeout, "start", limits.append)
    task = BaseOperator(task_id="land", execution_timeout=timedelta(minutes=10))
    plugin["HardTimeout"]().on_task_instance_running(None, RuntimeTaskInstance.model_construct(task=task))
    assert limits == [timedelta(minutes=10) + plugin["GRACE"]]
