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
    "shopnow.lake.ingest.lag",
    "shopnow.lake.ingest.landing",
    "shopnow.restock.backlog",
    "shopnow.dag_common",
    "airflow.providers.standard.decorators.python",
    "airflow.providers.apache.hdfs.hooks.webhdfs",
    "airflow.providers.smtp.hooks.smtp",
    "airflow.providers.slack.hooks.slack",
    "airflow.providers.slack.hooks.slack_webhook",
)
"""Importing them opens no connection and starts no thread, neither of which would survive the fork."""


class Preload:
    @hookimpl
    def on_starting(self, component: Any) -> None:
        for module in MODULES:
            import_module(module)


class ShopNowPreload(AirflowPlugin):
    name = "shopnow_preload"
    listeners = [Preload()]  # noqa: RUF012  (as the base class has it)
