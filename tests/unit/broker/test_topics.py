from shopnow.broker.topics import shop_topics
from shopnow.events import TOPICS


def test_all_topics_of_the_shop() -> None:
    wanted = {topic.topic: topic for topic in shop_topics(partitions=4, retention_days=2)}
    assert set(wanted) == {*TOPICS, "ledger", "shop_state", "sent_batches", "delivery_notes"}
    assert {topic.num_partitions for name, topic in wanted.items() if name in TOPICS} == {4}
    assert {topic.num_partitions for name, topic in wanted.items() if name not in TOPICS} == {1}
    assert wanted["orders"].config["retention.ms"] == "172800000"
    assert wanted["ledger"].config["retention.ms"] == "-1"
    assert wanted["shop_state"].config["cleanup.policy"] == "compact"
