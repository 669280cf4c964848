"""The stock trigger on its own topic: it fires at once, keeps up, and misses nothing when it is killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import aclosing

import pyarrow as pa
import pytest
from confluent_kafka import Producer
from deltalake import write_deltalake

from factories.alert_factory import cover
from factories.stock_out import sold
from shopnow.alerts import stock_watcher
from shopnow.alerts.trigger import StockTrigger
from shopnow.events import encode
from shopnow.kpis import STOCK_COVER
from shopnow.lake.delta.tables import Table
from support import kafka_topics

TIMEOUT_SECONDS = 10.0


@pytest.fixture
def topic(conf, lake, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": conf}))
    monkeypatch.setenv(
        "AIRFLOW_CONN_WEBHDFS_DEFAULT",
        json.dumps({"conn_type": "webhdfs", "host": "h", "extra": {"lake": lake}}),
    )
    with kafka_topics.topic(conf) as name:
        send(conf, name, encode(sold("before", 0)))
        yield name


def send(conf, topic, *values: bytes, count: int = 1) -> None:
    producer = Producer({**conf, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    for _ in range(count):
        for value in values:
            producer.produce(topic, value)
    assert producer.flush(30) == 0


def test_fires_at_start_and_when_stock_crosses_a_threshold(conf, topic, lake):
    write_deltalake(
        Table(lake, STOCK_COVER.name).uri, pa.Table.from_pylist([cover(product_id="cup", reorder_point=40)])
    )

    async def watch() -> None:
        async with aclosing(StockTrigger(topic).run()) as events:

            async def next_products() -> list[str]:
                return (await asyncio.wait_for(anext(events), TIMEOUT_SECONDS)).payload["products"]

            assert await next_products() == []
            send(conf, topic, b"not an event", b"{}", encode(sold("plate", 30)), encode(sold("mug", 0)))
            assert await next_products() == ["mug"]
            # Irrelevant records of a busy topic do not delay a relevant one.
            send(conf, topic, encode(sold("plate", 20)), count=50_000)
            send(conf, topic, encode(sold("cup", 40)))
            assert await next_products() == ["cup"]

    asyncio.run(watch())


TRIGGER = """
import asyncio, sys
from shopnow.alerts.trigger import StockTrigger

async def watch():
    async for event in StockTrigger(sys.argv[1]).run():
        print(event.payload["products"], flush=True)

asyncio.run(watch())
"""


def test_fires_again_after_a_kill_before_its_event_was_stored(conf, topic):
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", TRIGGER, topic], stdout=subprocess.PIPE, text=True, env=os.environ
        )

    with start() as first:
        assert first.stdout.readline() == "[]\n"
        send(conf, topic, encode(sold("mug", 0)))
        assert first.stdout.readline() == "['mug']\n"
        first.send_signal(signal.SIGKILL)
    send(conf, topic, encode(sold("bowl", 0)))  # while no trigger runs
    with start() as second:
        assert second.stdout.readline() == "[]\n"  # the alert run evaluates all products
        send(conf, topic, encode(sold("cup", 0)))
        assert second.stdout.readline() == "['cup']\n"
        second.kill()


def test_restarts_when_the_topic_is_recreated(conf, topic, monkeypatch):
    monkeypatch.setattr("shopnow.alerts.trigger.RESTART_SECONDS", 2.0)

    async def watch() -> None:
        async with aclosing(StockTrigger(topic).run()) as events:
            await asyncio.wait_for(anext(events), TIMEOUT_SECONDS)
            kafka_topics.delete(conf, topic)
            kafka_topics.create(conf, topic)
            send(conf, topic, encode(sold("mug", 0)))
            await asyncio.wait_for(anext(events), 3 * TIMEOUT_SECONDS)

    asyncio.run(watch())


def test_there_are_no_reorder_points_without_their_table(lake):
    assert stock_watcher.load_thresholds(lake).by_product == {}
