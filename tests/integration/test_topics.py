"""The topics' settings on a real Kafka."""

from shopnow.broker import topics
from support import kafka_topics


def test_topics_that_are_there_are_given_another_retention_once(kafka: str) -> None:
    conf = {"bootstrap.servers": kafka}
    with kafka_topics.topic(conf) as one, kafka_topics.topic(conf) as other:
        assert topics.set_retention(conf, [one], 2) == [one]
        assert topics.set_retention(conf, [one, other], 2) == [other]
        assert topics.set_retention(conf, [one, other], 2) == []


def test_a_topic_that_was_created_is_known_at_once(kafka: str) -> None:
    # Of 40 on a young broker some three are not, unless somebody waits.
    conf = {"bootstrap.servers": kafka}
    for _ in range(40):
        with kafka_topics.topic(conf) as name:
            assert topics.topic_id(conf, name)
