"""A listener that enforces `execution_timeout` even while a task blocks inside a native library."""

from datetime import timedelta
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from shopnow import hard_timeout

GRACE = timedelta(seconds=30)
"""Head start of Airflow's own timeout, which lets a task clean up."""


class HardTimeout:
    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        if limit := getattr(task_instance.task, "execution_timeout", None):
            hard_timeout.start(limit + GRACE)

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        hard_timeout.cancel()

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        hard_timeout.cancel()


class ShopNowHardTimeout(AirflowPlugin):
    name = "shopnow_hard_timeout"
    listeners = [HardTimeout()]  # noqa: RUF012  (as the base class has it)
