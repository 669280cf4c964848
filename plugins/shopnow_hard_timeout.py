"""A listener that holds tasks to their `execution_timeout` even where Airflow's own alarm does not reach them."""

from datetime import timedelta
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from shopnow import hard_timeout

GRACE = timedelta(seconds=30)
"""Airflow's own timeout, which lets a task clean up, comes first."""


class Watchdog:
    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        if limit := getattr(task_instance.task, "execution_timeout", None):
            hard_timeout.start(limit + GRACE)

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        hard_timeout.stop()

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        hard_timeout.stop()


class ShopnowWatchdog(AirflowPlugin):
    name = "shopnow_hard_timeout"
    listeners = [Watchdog()]  # noqa: RUF012  (as the base class has it)
