import runpy
from datetime import timedelta

import pytest

from shopnow import hard_timeout
from shopnow.settings import ROOT


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
