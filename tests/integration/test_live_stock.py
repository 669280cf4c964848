"""The stock as it is now, from a lake on HDFS and a topic in Kafka, is what the next KPI run says."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from shopnow.alerts import live_stock
from shopnow.broker import reader
from shopnow.events import SCHEMA_VERSION, TOPICS, StockAdjusted, encode, key
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest.landing import land
from shopnow.local_stack import supervision
from shopnow_spark import jobs
from support import kafka_topics

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def topic(conf):
    with kafka_topics.topic(conf) as name:
        yield name


def counted(product: str, quantity: int, minutes: int = 0) -> StockAdjusted:
    return StockAdjusted(
        event_id=str(uuid.uuid4()),
        event_time=NOON + timedelta(minutes=minutes),
        schema_version=SCHEMA_VERSION,
        product_id=product,
        product_name=product.title(),
        quantity_change=0,
        quantity_after=quantity,
        reason="counted",
    )


def send(conf, topic, *events: StockAdjusted | bytes) -> None:
    producer = Producer(conf)
    for event in events:
        record = (event, b"bad") if isinstance(event, bytes) else (encode(event), key(event))
        producer.produce(topic, *record)
    assert producer.flush(30) == 0


def quantities(conf, lake, topic) -> dict[str, int]:
    return {shelf.product_id: shelf.quantity for shelf in live_stock.current_levels(conf, lake, topic)}


def by_the_kpi(lake) -> dict[str, int]:
    rows = tables.read(Table(lake, "kpi/stock_position").open(), ["product_id", "quantity"]).to_pylist()
    return {row["product_id"]: row["quantity"] for row in rows}


def read_again(monkeypatch) -> list[int]:
    """Collects the offsets that are read from now on."""
    read, offsets = reader.read, []

    def reading(*args, **options):
        for chunk in read(*args, **options):
            offsets.extend(chunk.offsets)
            yield chunk

    monkeypatch.setattr(reader, "read", reading)
    return offsets


def test_the_table_and_what_the_topic_has_beyond_it(conf, lake, topic, spark, monkeypatch):
    def refresh() -> None:
        land(conf, lake, TOPICS["stock"], kafka_topic=topic)
        jobs.refresh(lake, lambda: spark)

    send(conf, topic, counted("mug", 9), counted("bowl", 4), b"not an event")
    assert quantities(conf, lake, topic) == {"mug": 9, "bowl": 4}  # without a table, from the topic alone
    assert live_stock.current_levels(None, lake) == []

    refresh()
    send(conf, topic, counted("mug", 0, minutes=2), counted("bowl", 8, minutes=-5), counted("plate", 3), b"{")
    offsets = read_again(monkeypatch)
    now = quantities(conf, lake, topic)
    assert now == {"mug": 0, "bowl": 4, "plate": 3}
    assert len(offsets) == 4
    assert by_the_kpi(lake) == {"mug": 9, "bowl": 4}

    # Landed, but not in the table yet: read from the topic all the same.
    land(conf, lake, TOPICS["stock"], kafka_topic=topic)
    assert quantities(conf, lake, topic) == now
    refresh()
    assert by_the_kpi(lake) == now
    del offsets[:]
    assert quantities(conf, lake, topic) == now
    assert offsets == []
    assert [each.product_name for each in live_stock.current_levels(None, lake)] == ["Bowl", "Mug", "Plate"]


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(conf, lake, topic, spark):
    send(conf, topic, *(counted("mug", quantity, quantity) for quantity in range(9)))
    land(conf, lake, TOPICS["stock"], kafka_topic=topic)
    jobs.refresh(lake, lambda: spark)
    kafka_topics.delete(conf, topic)
    kafka_topics.create(conf, topic)
    send(conf, topic, counted("mug", 1, minutes=60))
    assert quantities(conf, lake, topic) == {"mug": 1}


def test_records_of_an_open_transaction_do_not_count(conf, lake, topic):
    producer = Producer({**conf, "transactional.id": str(uuid.uuid4())})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, encode(counted("mug", 0)), b"mug")
    producer.flush(30)
    assert quantities(conf, lake, topic) == {}
    producer.commit_transaction(30)
    assert supervision.wait_until(lambda: quantities(conf, lake, topic) == {"mug": 0}, seconds=10)
