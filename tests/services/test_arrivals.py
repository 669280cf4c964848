"""The trigger of landing: it wakes for every producer's records, once per landing, and keeps no position."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import aclosing
from functools import partial

import pytest

from shopnow.broker.topic_state import EndOffsets
from shopnow.events import TOPICS
from shopnow.lake.ingest import arrivals, landing, trigger
from shopnow.lake.ingest.arrivals import Arrivals
from shopnow.lake.ingest.data_loss import Acknowledgement
from shopnow.lake.ingest.trigger import ArrivalTrigger
from support import kafka_topics
from support.kafka_topics import send


@pytest.fixture
def names(conf: dict[str, str]) -> Iterator[tuple[str, str]]:
    with kafka_topics.topic(conf) as first, kafka_topics.topic(conf) as second:
        yield first, second


@pytest.fixture
def land(conf: dict[str, str], lake: str) -> Callable[[str], landing.LandingResult]:
    return lambda name: landing.land(
        conf, lake, TOPICS["payments"]._replace(name=name), acknowledgement=Acknowledgement("a test", "test")
    )


def test_wakes_once_for_what_one_landing_takes(conf, lake, names, land):
    first, second = names
    watch = Arrivals(conf, lake, names)
    assert watch.check() == []
    send(conf, first, [b"1"] * 5)
    assert watch.check() == [first]
    # While that landing is to come, these wait for it or for the next.
    send(conf, first, [b"2"] * 5)
    send(conf, second, [b"3"])
    assert watch.check() == []
    assert land(first).rows == 10
    assert watch.check() == [second]
    land(second)
    assert watch.check() == []
    send(conf, first, [b"4"])
    assert watch.check() == [first]


def test_records_that_arrive_while_a_landing_runs_ask_for_the_next(conf, lake, names, land, monkeypatch):
    first, _ = names
    watch = Arrivals(conf, lake, names)
    send(conf, first, [b"1"])
    assert watch.check() == [first]
    commit = landing._commit

    def commit_late(*args):
        send(conf, first, [b"2"])
        commit(*args)

    monkeypatch.setattr(landing, "_commit", commit_late)
    assert land(first).rows == 1
    assert watch.check() == [first]


def test_after_a_restart_it_asks_again_for_what_has_not_landed(conf, lake, names):
    first, _ = names
    send(conf, first, [b"1"])
    assert Arrivals(conf, lake, names).check() == [first]
    assert Arrivals(conf, lake, names).check() == [first]


def test_a_topic_that_cannot_land_holds_up_no_other(conf, lake, names, land, monkeypatch):
    stopped, other = names
    watch = Arrivals(conf, lake, names)
    send(conf, stopped, [b"1"])
    assert watch.check() == [stopped]
    send(conf, other, [b"2"])
    monkeypatch.setattr(arrivals, "PATIENCE_SECONDS", 0.0)
    assert watch.check() == [other]
    land(other)
    assert watch.check() == []
    monkeypatch.setattr(arrivals, "REPEAT_SECONDS", 0.0)
    assert watch.check() == []  # nothing has changed since it asked
    send(conf, stopped, [b"3"])
    assert watch.check() == [stopped]


def test_a_recreated_topic_and_new_partitions_are_found(conf, lake, names, land, monkeypatch):
    first, _ = names
    send(conf, first, [b"1"] * 3, partition=0)
    land(first)
    watch = Arrivals(conf, lake, names)
    assert watch.check() == []
    kafka_topics.delete(conf, first)
    kafka_topics.create(conf, first)
    send(conf, first, [b"1"] * 3, partition=0)  # the same offsets as before
    monkeypatch.setattr(arrivals, "REFRESH_SECONDS", 0.0)
    assert watch.check() == [first]
    land(first)
    assert watch.check() == []
    kafka_topics.add_partitions(conf, first, 5)
    send(conf, first, [b"1"], partition=4)
    assert watch.check() == [first]


def test_a_check_without_news_does_not_read_the_lake(conf, lake, names, land, monkeypatch):
    send(conf, names[0], [b"1"])
    land(names[0])
    watch = Arrivals(conf, lake, names)
    assert watch.check() == []
    monkeypatch.setattr(watch, "_behind", None)
    assert watch.check() == []
    assert sum(EndOffsets(conf, names).read()[names[0]].values()) == 1


def test_the_trigger_fires_and_outlives_an_outage(conf, lake, names, land, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": conf}))
    monkeypatch.setenv(
        "AIRFLOW_CONN_WEBHDFS_DEFAULT",
        json.dumps({"conn_type": "webhdfs", "host": "h", "extra": {"lake": lake}}),
    )
    monkeypatch.setattr(trigger, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(trigger, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(trigger, "Arrivals", partial(Arrivals, names=names))
    first, second = names

    async def watch() -> None:
        async with aclosing(ArrivalTrigger().run()) as events:

            async def next_topics() -> list[str]:
                return (await asyncio.wait_for(anext(events), 30)).payload["topics"]

            send(conf, first, [b"1"])
            assert await next_topics() == [first]
            land(first)
            # A topic that is missing for a while, as in a Kafka that is being restored.
            kafka_topics.delete(conf, second)
            pending = asyncio.ensure_future(next_topics())
            await asyncio.wait({pending}, timeout=0.5)
            kafka_topics.create(conf, second)
            send(conf, second, [b"2"])
            assert await pending == [second]

    asyncio.run(watch())
