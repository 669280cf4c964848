"""Topic configuration on a real Kafka."""

from shopnow.broker import topic_state, topics
from shopnow.events import TOPICS
from support import kafka_topics


def test_the_broker_deletes_events_after_days_and_keeps_the_ledger(conf: dict[str, str]) -> None:
    kept = ("ledger", "shop_state")
    assert topics.read_retention(conf, [*TOPICS, "ledger"]) == {
        **dict.fromkeys(TOPICS, topics.RETENTION_DAYS),
        "ledger": None,
    }
    assert topics.compacted(conf, [*TOPICS, *kept]) == {"shop_state"}
    # The ledger and the state are read in the order of their offsets.
    assert {len(state.partitions) for state in topic_state.describe(conf, kept).values()} == {1}
    assert topics.create(conf, topics.shop_topics(partitions=3)) == []


def test_retention_of_existing_topics_is_changed_once(kafka: str) -> None:
    conf = {"bootstrap.servers": kafka}
    with kafka_topics.topic(conf) as first, kafka_topics.topic(conf) as second:
        assert topics.set_retention(conf, [first], 2) == [first]
        assert topics.set_retention(conf, [first, second], 2) == [second]
        assert topics.set_retention(conf, [first, second], 2) == []


def test_a_created_topic_is_usable_at_once(kafka: str) -> None:
    # Without the wait in `topics.create`, one of about 15 topics on a new broker is not known; without the
    # one in `topic_state.describe`, some have partitions without a leader.
    conf = {"bootstrap.servers": kafka}
    for _ in range(20):
        with kafka_topics.topic(conf, partitions=12) as name:
            assert topic_state.describe(conf, [name])[name].partitions == dict.fromkeys(range(12), (0, 0))
