"""What the DAG files share: the assets that chain them, their tags and defaults, and where Airflow says the services are."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from airflow.sdk import Asset, Connection, CronTriggerTimetable

TRAFFIC = Asset(name="traffic", uri="shopnow://traffic", group="shopnow")
"""New events are on the topics."""

RAW = Asset(name="raw", uri="shopnow://raw", group="shopnow")
"""New records are in the lake's raw tables."""

KPIS = Asset(name="kpis", uri="shopnow://kpis", group="shopnow")
"""The KPI tables are up to date with the raw tables."""

AUDIT = Asset(name="audit", uri="shopnow://audit", group="shopnow")
"""The lake was audited; its events carry in their extra whether all checks hold, `ok`, and those `broken`."""


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
"""Default arguments of every task. What a task has committed by the time it is timed out stays, and its retry goes on from there."""

REFUSAL_KEY = "refused"
"""The XCom in which a task that a person set going says, as it fails, why it did not do what was asked."""

LONG_TIMEOUT = timedelta(minutes=45)
"""Execution timeout of tasks that may have much to do, and do it in one go."""

NICENESS = 2
"""By so much a task that computes long yields to what people and other services wait for, as `nice` counts."""


def lower_priority(context: Mapping[str, Any]) -> None:
    """Before a task's work: let it and all it starts yield the processor. The pages stay quick while Spark takes all there is."""
    os.nice(NICENESS)


CONTINUOUS_ARGS: dict[str, Any] = {
    # Any past date: without one the first run covers no time, and the second, of the same logical date, is never made.
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 1,
}
"""Arguments, beside the schedule, of a DAG that is `@continuous`: one run follows the other."""


def every_five_minutes(after: int = 0) -> CronTriggerTimetable:
    """Every five minutes, that many minutes after the full five; first when the next is due, not at once."""
    # Without the zero a schedule of five minutes or less runs at once when Airflow first sees it.
    return CronTriggerTimetable(f"{after}-59/5 * * * *", timezone="UTC", run_immediately=timedelta(0))


def every_hour(after: int) -> CronTriggerTimetable:
    """Every hour, that many minutes after the full one; first when the next is due, not at once."""
    return CronTriggerTimetable(f"{after} * * * *", timezone="UTC", run_immediately=timedelta(0))


def every_day(hour: int) -> CronTriggerTimetable:
    """Every day at that hour, UTC; first when the next is due, not at once."""
    return CronTriggerTimetable(f"0 {hour} * * *", timezone="UTC", run_immediately=timedelta(0))


def kafka_conf() -> dict[str, Any]:
    """The Kafka client configuration of the connection `kafka_default`."""
    return dict(Connection.get("kafka_default").extra_dejson)


def lake_uri() -> str:
    """The lake's address, in the extra of the connection `webhdfs_default`."""
    return Connection.get("webhdfs_default").extra_dejson["lake"]


LAKE_URI = "{{ conn.webhdfs_default.extra_dejson.lake }}"
"""The lake's address as a template, for operators."""

LAKE_PATH = "/{{ conn.webhdfs_default.extra_dejson.lake.split('/', 3)[3] }}"
"""The lake's path within HDFS as a template, for WebHDFS sensors."""
