"""Fixtures of the tests that use real services."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from shopnow.broker import topics
from shopnow_spark import jobs
from shopnow_spark.result import Refreshed
from support.local_servers import Inbox, run_server


@pytest.fixture(scope="session")
def conf(kafka: str) -> dict[str, str]:
    """The client configuration for a Kafka that has the shop's topics."""
    conf = {"bootstrap.servers": kafka}
    topics.create(conf, topics.shop_topics(partitions=3))
    return conf


@pytest.fixture
def refresh(spark: SparkSession) -> Callable[[str], dict[str, Refreshed]]:
    """Compute events and KPIs of a lake from its raw tables; returns the results by table."""
    return lambda lake: {result.table: result for result in jobs.refresh(lake, lambda: spark)}


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """The inbox of running mail and webhook servers, to which Airflow's connections point."""
    inbox = Inbox(tmp_path)
    with ExitStack() as stack:
        mail_port, _ = stack.enter_context(run_server("mail_server", inbox.mail_directory))
        slack_port, _ = stack.enter_context(run_server("webhook_server", inbox.slack_directory))
        for name, value in inbox.connections(mail_port, slack_port).items():
            monkeypatch.setenv(name, value)
        yield inbox
