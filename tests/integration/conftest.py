"""What the tests with real services share."""

import pytest

from shopnow.broker import topics


@pytest.fixture(scope="session")
def conf(kafka: str) -> dict[str, str]:
    """How clients reach a Kafka that has the shop's topics."""
    conf = {"bootstrap.servers": kafka}
    topics.create(conf, topics.shop_topics(partitions=3))
    return conf
