"""One task lands topics with few records, leaves backlogs to others, and stops for no topic that fails."""

import pytest

from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import lag, landing, small_landing
from shopnow.lake.ingest.data_loss import Loss, UnacknowledgedLoss


def test_all_topics_land_at_once_and_a_backlog_is_left(conf, lake, monkeypatch):
    counts = dict.fromkeys(TOPICS, 0)
    for position in lag.positions(conf, lake):
        counts[position.topic] += position.lag
    *_, most = sorted(counts, key=counts.__getitem__)
    monkeypatch.setattr(small_landing, "MAX_RECORDS", counts[most] - 1)
    result = small_landing.land(conf, lake, {})
    assert result.backlogs == [most]
    assert set(result.landed) == {name for name, count in counts.items() if count} - {most}
    assert {name: Table(lake, f"raw/{name}").open().count() for name in result.landed} == dict(result.landed)
    assert lag.lagging_topics(conf, lake) == [most]
    monkeypatch.setattr(small_landing, "MAX_RECORDS", counts[most])
    assert set(small_landing.land(conf, lake, {}).landed) == {most}
    assert small_landing.land(conf, lake, {}) == small_landing.SmallLanding({}, [])


def test_a_topic_that_fails_stops_no_other(conf, lake, monkeypatch):
    land = landing.land

    def fail(conf, lake, topic, **kwargs):
        if topic.name in failures:
            raise failures[topic.name]
        return land(conf, lake, topic, **kwargs)

    monkeypatch.setattr(landing, "land", fail)
    lost = UnacknowledgedLoss([Loss("orders", "topic id", 0, "expired", 0, 5, 5, None, None)])
    failures = {"orders": lost, "stock": UserError("HDFS is full")}
    with pytest.raises(UserError, match="HDFS is full"):  # a retry may mend it
        small_landing.land(conf, lake, {})
    assert lag.lagging_topics(conf, lake) == ["orders", "stock"]
    del failures["stock"]
    with pytest.raises(UnacknowledgedLoss):
        small_landing.land(conf, lake, {})
    assert lag.lagging_topics(conf, lake) == ["orders"]
