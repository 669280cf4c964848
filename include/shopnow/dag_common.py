"""Shared parts of the DAG files: assets, tags, default arguments, schedules and connection values."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from typing import Any

from airflow.providers.apache.spark.hooks.spark_connect import SparkConnectHook
from airflow.sdk import Asset, Connection, CronTriggerTimetable
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from shopnow.errors import UserError

TRAFFIC = Asset(name="traffic", uri="shopnow://traffic", group="shopnow")
"""Updated when a DAG has put new events on the topics."""

RAW = Asset(name="raw", uri="shopnow://raw", group="shopnow")
"""Updated when new records are in the lake's raw tables."""

KPIS = Asset(name="kpis", uri="shopnow://kpis", group="shopnow")
"""Updated when the KPI tables are up to date with the raw tables."""

AUDIT = Asset(name="audit", uri="shopnow://audit", group="shopnow")
"""Updated after an audit; the event's extra has `ok`, whether all checks hold, and the `broken` checks."""

PROPOSALS = Asset(name="proposals", uri="shopnow://proposals", group="shopnow")
"""Updated when a restock proposal is answered, or ends without an answer."""


class Tag(StrEnum):
    SHOPNOW = "shopnow"
    INGEST = "ingest"
    TRANSFORM = "transform"
    ALERTS = "alerts"
    REPORTS = "reports"
    MAINTENANCE = "maintenance"


DEFAULT_ARGS: dict[str, Any] = {
    "owner": "shopnow",
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(minutes=10),
}
"""Default arguments of every task. A retry after a timeout continues from the task's last commit."""

REFUSAL_KEY = "refused"
"""XCom key under which a manually triggered task reports why it refused the request, before it fails."""

LONG_TIMEOUT = timedelta(minutes=45)
"""Execution timeout of tasks that may process a large backlog in one run."""

NICENESS = 2
"""Niceness of long compute tasks."""


def lower_priority(context: Mapping[str, Any]) -> None:
    """Lower the CPU priority of a task and its child processes, so that pages stay fast while Spark computes.

    For use as a task's `pre_execute` hook.
    """
    os.nice(NICENESS)


def every_five_minutes(after: int = 0) -> CronTriggerTimetable:
    """Return a five-minute schedule, offset by `after` minutes; its first run waits for its time."""
    # By default Airflow runs a schedule of five minutes or less immediately when it first sees it.
    return CronTriggerTimetable(f"{after}-59/5 * * * *", timezone="UTC", run_immediately=timedelta(0))


def every_hour(after: int) -> CronTriggerTimetable:
    """Return an hourly schedule at minute `after`; its first run waits for its time."""
    return CronTriggerTimetable(f"{after} * * * *", timezone="UTC", run_immediately=timedelta(0))


def every_day(hour: int, minute: int = 0) -> CronTriggerTimetable:
    """Return a daily schedule at `hour`:`minute` UTC; its first run waits for its time."""
    return CronTriggerTimetable(f"{minute} {hour} * * *", timezone="UTC", run_immediately=timedelta(0))


def kafka_conf() -> dict[str, Any]:
    """Return the Kafka client configuration from the connection `kafka_default`."""
    return dict(Connection.get("kafka_default").extra_dejson)


def lake_uri() -> str:
    """Return the lake's URI from the extra of the connection `webhdfs_default`."""
    return Connection.get("webhdfs_default").extra_dejson["lake"]


def spark_connect_url() -> str | None:
    """Return the address of Spark Connect from `spark_connect_default`; None if it has no host."""
    try:
        has_host = bool(Connection.get(SparkConnectHook.default_conn_name).host)
    except AirflowNotFoundException:
        return None
    return SparkConnectHook().get_connection_url() if has_host else None


def airflow_database() -> dict[str, Any]:
    """Return libpq's parameters of Airflow's metadata database, from the connection `airflow_db`.

    Airflow takes its own connection string away from tasks, so that they do not depend on its tables.
    """
    connection = Connection.get("airflow_db")
    return {
        "host": connection.host,
        "port": connection.port,
        "user": connection.login,
        "password": connection.password,
        "dbname": connection.schema,
    }


LAKE_URI = "{{ conn.webhdfs_default.extra_dejson.lake }}"
"""The lake's URI as a Jinja template, for operators."""

LAKE_PATH = "/{{ conn.webhdfs_default.extra_dejson.lake.split('/', 3)[3] }}"
"""The lake's path within HDFS as a Jinja template, for WebHDFS sensors."""


@contextmanager
def no_retry_of_user_errors() -> Iterator[None]:
    """Fail the task for good on a UserError of the block, as a retry would fail the same way."""
    try:
        yield
    except UserError as error:
        raise AirflowFailException(str(error)) from None
