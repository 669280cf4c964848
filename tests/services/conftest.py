"""Fixtures of the tests that use real services."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext

import pytest
from pyspark.sql import SparkSession

from shopnow.broker import admin_api, topics, transactional_producer
from shopnow.traffic.generate import generate
from shopnow_spark import connect
from shopnow_spark.lake_reader import is_remote_session
from shopnow_spark.result import Refreshed
from support.local_servers import Inbox, run_server
from support.spark_sessions import refresh_with

LONGEST = ("test_damage.py", "test_verify.py", "test_compaction.py", "test_rebuild.py", "test_erasure.py")
"""Files that take longest. They come first: at the end the other processes would wait for one of them."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def conf(kafka: str) -> dict[str, str]:
    """The client configuration for a Kafka that has the shop's topics, with the records of a day.

    Later runs of the generator begin where an earlier one ended, so the first one decides whether there are
    deliveries; it must not be that of a test which only needs a few sessions.
    """
    conf = {"bootstrap.servers": kafka}
    topics.create(conf, topics.shop_topics(partitions=3))
    generate(conf, "the day before the tests", sessions=60, seed=1)
    return conf


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The client configuration for a Kafka that does not answer, which is noticed after a second."""
    for module in (admin_api, transactional_producer):
        monkeypatch.setattr(module, "TIMEOUT_SECONDS", 1.0)
    return {"bootstrap.servers": "127.0.0.1:1"}


@pytest.fixture(scope="module", params=["spark", "sail"])
def engine(request: pytest.FixtureRequest) -> Iterator[SparkSession]:
    """A session of each engine, for what both must compute alike, and columns that are built for it."""
    session = request.getfixturevalue(request.param)
    with connect.column_functions() if is_remote_session(session) else nullcontext():
        yield session


@pytest.fixture
def refresh_with_each(engine: SparkSession) -> Callable[[str], dict[str, Refreshed]]:
    """`refresh`, with each engine."""
    return lambda lake: refresh_with(engine, lake)


@pytest.fixture(scope="session")
def mail_and_slack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Inbox, dict[str, str]]]:
    """The inbox of running mail and webhook servers, and Airflow's connections to them by variable."""
    inbox = Inbox(tmp_path_factory.mktemp("inbox"))
    with ExitStack() as stack:
        mail_port, _ = stack.enter_context(run_server("mail_server", inbox.mail_directory))
        slack_port, _ = stack.enter_context(run_server("webhook_server", inbox.slack_directory))
        yield inbox, inbox.connections(mail_port, slack_port)


@pytest.fixture
def inbox(mail_and_slack: tuple[Inbox, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """The empty inbox of the servers, to which Airflow's connections point."""
    inbox, connections = mail_and_slack
    inbox.clear()
    for name, value in connections.items():
        monkeypatch.setenv(name, value)
    return inbox
