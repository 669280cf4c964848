"""What the tests with real services share."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shopnow.broker import topics
from support.local_servers import Inbox, run_server


@pytest.fixture(scope="session")
def conf(kafka: str) -> dict[str, str]:
    """How clients reach a Kafka that has the shop's topics."""
    conf = {"bootstrap.servers": kafka}
    topics.create(conf, topics.shop_topics(partitions=3))
    return conf


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """Both servers running, and Airflow's connections pointing at them."""
    inbox = Inbox(tmp_path)
    with ExitStack() as running:
        mail_port, _ = running.enter_context(run_server("mail_server", inbox.mail_directory))
        slack_port, _ = running.enter_context(run_server("webhook_server", inbox.slack_directory))
        for name, value in inbox.connections(mail_port, slack_port).items():
            monkeypatch.setenv(name, value)
        yield inbox
