from types import SimpleNamespace

import pytest

from shopnow.broker import topics
from shopnow.broker.topics import shop_topics
from shopnow.events import TOPICS


def test_shop_topics_have_their_partitions_and_retention() -> None:
    new_topics = {topic.topic: topic for topic in shop_topics(partitions=4, retention_days=2)}
    assert set(new_topics) == {*TOPICS, "ledger", "shop_state", "sent_batches", "delivery_notes"}
    assert {topic.num_partitions for name, topic in new_topics.items() if name in TOPICS} == {4}
    assert {topic.num_partitions for name, topic in new_topics.items() if name not in TOPICS} == {1}
    assert new_topics["orders"].config["retention.ms"] == "172800000"
    assert new_topics["ledger"].config["retention.ms"] == "-1"
    assert new_topics["shop_state"].config["cleanup.policy"] == "compact"


@pytest.mark.parametrize(("value", "days"), [("-1", None), (str(2**63 - 1), None), ("86400000", 1.0)])
def test_retention_without_an_end_is_unlimited(monkeypatch, value, days) -> None:
    configs = {"orders": {"retention.ms": SimpleNamespace(value=value)}}
    monkeypatch.setattr(topics, "_describe_configs", lambda conf, names: configs)
    assert topics.read_retention({}, ["orders"]) == {"orders": days}
