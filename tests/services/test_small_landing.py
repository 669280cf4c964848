"""One task lands topics with few records, leaves backlogs to others, and stops for no topic that fails."""

from collections import Counter

import pytest

from shopnow.errors import UserError
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import lag, landing, small_landing
from shopnow.lake.ingest.data_loss import Loss, UnacknowledgedLoss

LOST = UnacknowledgedLoss([Loss("orders", "topic id", 0, "expired", 0, 5, 5, None, None)])


@pytest.fixture
def counts(conf, lake) -> Counter[str]:
    """The number of offsets to land, by topic."""
    counts: Counter[str] = Counter()
    for position in lag.positions(conf, lake):
        counts[position.topic] += position.lag
    return counts


@pytest.fixture
def failures(monkeypatch) -> dict[str, Exception]:
    """Errors of landing to add, by topic."""
    failures: dict[str, Exception] = {}
    land = landing.land

    def fail(conf, lake, topic, **kwargs):
        if topic.name in failures:
            raise failures[topic.name]
        return land(conf, lake, topic, **kwargs)

    monkeypatch.setattr(landing, "land", fail)
    return failures


def test_all_topics_land_at_once_and_a_backlog_is_left(conf, lake, counts, monkeypatch):
    [(most, count)] = counts.most_common(1)
    monkeypatch.setattr(small_landing, "MAX_RECORDS", count - 1)
    result = small_landing.land(conf, lake, {})
    assert result.backlogs == [most]
    assert set(result.landed) == {name for name, count in counts.items() if count} - {most}
    assert {name: Table(lake, f"raw/{name}").open().count() for name in result.landed} == dict(result.landed)
    assert lag.lagging_topics(conf, lake) == [most]
    monkeypatch.setattr(small_landing, "MAX_RECORDS", count)
    assert set(small_landing.land(conf, lake, {}).landed) == {most}
    assert small_landing.land(conf, lake, {}) == small_landing.SmallLanding({}, [])


def test_a_topic_that_fails_stops_no_other(conf, lake, failures):
    failures |= {"orders": LOST, "stock": UserError("HDFS is full")}
    with pytest.raises(UserError, match="HDFS is full"):  # a retry may mend it
        small_landing.land(conf, lake, {})
    assert lag.lagging_topics(conf, lake) == ["orders", "stock"]
    del failures["stock"]
    with pytest.raises(UnacknowledgedLoss):
        small_landing.land(conf, lake, {})
    assert lag.lagging_topics(conf, lake) == ["orders"]


def test_a_topic_that_fails_is_left_with_a_backlog_which_lands(conf, lake, counts, failures, monkeypatch):
    [(most, count)] = counts.most_common(1)
    monkeypatch.setattr(small_landing, "MAX_RECORDS", count - 1)
    failures["orders"] = LOST
    assert small_landing.land(conf, lake, {}).backlogs == sorted([most, "orders"])
    assert lag.lagging_topics(conf, lake) == sorted([most, "orders"])
