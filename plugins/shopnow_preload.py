"""A listener that has Airflow's services import what tasks and DAG files need, before they fork.

A task begins in a fork of the scheduler's, and a DAG file is parsed in one of the DAG processor's. What was imported before is
there at once, and once in memory for all; otherwise each run of `watch_stock` would spend most of its time on imports.
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
    "shopnow.restock.proposals",
    "shopnow.dag_common",
    "airflow.providers.smtp.hooks.smtp",
    "airflow.providers.slack.hooks.slack",
    "airflow.providers.slack.hooks.slack_webhook",
)
"""None of them, when imported, connects anywhere or starts a thread that a fork would miss."""


class Preload:
    @hookimpl
    def on_starting(self, component: Any) -> None:
        for module in MODULES:
            import_module(module)


class ShopNowPreload(AirflowPlugin):
    name = "shopnow_preload"
    listeners = [Preload()]  # noqa: RUF012  (as the base class has it)
