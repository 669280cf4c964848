"""A listener that makes Airflow's services import the modules of tasks and DAG files before they fork.

Tasks run in forks of the scheduler, and DAG files are parsed in forks of the DAG processor. Modules imported
before the fork load once and share memory; otherwise a run of `watch_stock` would spend most of its time on
imports.
"""

from importlib import import_module
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

MODULES = (
    "shopnow.alerts.dispatcher",
    "shopnow.notifications.mail",
    "shopnow.notifications.slack",
    "shopnow.alerts.trigger",
    "shopnow.alerts.evaluate",
    "shopnow.lake.delta.commit_metadata",
    "shopnow.lake.ingest.small_landing",
    "shopnow.lake.ingest.trigger",
    "shopnow.restock.backlog",
    "shopnow.dag_common",
    "airflow.providers.standard.decorators.python",
    "airflow.providers.apache.hdfs.hooks.webhdfs",
    "airflow.providers.smtp.hooks.smtp",
    "airflow.providers.slack.hooks.slack",
    "airflow.providers.slack.hooks.slack_webhook",
)
"""Importing them opens no connection and starts no thread, neither of which would survive the fork."""

SCHEDULER_MODULES = ("shopnow_spark.small_changes",)
"""Only tasks need these, and they take 0.1 GB."""


class Preload:
    @hookimpl
    def on_starting(self, component: Any) -> None:
        is_scheduler = getattr(component, "job_type", None) == "SchedulerJob"
        for module in (*MODULES, *(SCHEDULER_MODULES if is_scheduler else ())):
            import_module(module)


class ShopNowPreload(AirflowPlugin):
    name = "shopnow_preload"
    listeners = [Preload()]  # noqa: RUF012  (as the base class has it)
