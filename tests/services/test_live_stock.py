"""Live stock from a lake on HDFS and a topic in Kafka equals the result of the next KPI run."""

from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from factories.events import unique_event_id
from shopnow.alerts import live_stock
from shopnow.broker import reader
from shopnow.events import SCHEMA_VERSION, TOPICS, StockAdjusted, encode, key
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest.landing import land
from shopnow.local_stack import supervision
from support import kafka_topics

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def topic(conf):
    with kafka_topics.topic(conf) as name:
        yield name


def adjusted(product: str, quantity: int, minutes: int = 0) -> StockAdjusted:
    return StockAdjusted(
        event_id=unique_event_id(),
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
    return {level.product_id: level.quantity for level in live_stock.current_levels(conf, lake, topic)}


def kpi_quantities(lake) -> dict[str, int]:
    rows = tables.read(Table(lake, "kpi/stock_position").open(), ["product_id", "quantity"]).to_pylist()
    return {row["product_id"]: row["quantity"] for row in rows}


def record_offsets(monkeypatch) -> list[int]:
    """Return a list that collects the offsets read from now on."""
    read, offsets = reader.read, []

    def recording(*args, **options):
        for chunk in read(*args, **options):
            offsets.extend(chunk.offsets)
            yield chunk

    monkeypatch.setattr(reader, "read", recording)
    return offsets


def test_levels_combine_the_table_and_newer_records_of_the_topic(conf, lake, topic, refresh, monkeypatch):
    def land_and_refresh() -> None:
        land(conf, lake, TOPICS["stock"], kafka_topic=topic)
        refresh(lake)

    send(conf, topic, adjusted("mug", 9), adjusted("bowl", 4), b"not an event")
    assert quantities(conf, lake, topic) == {"mug": 9, "bowl": 4}  # without a table, only from the topic
    assert live_stock.current_levels(None, lake) == []

    land_and_refresh()
    send(
        conf,
        topic,
        adjusted("mug", 0, minutes=2),
        adjusted("bowl", 8, minutes=-5),
        adjusted("plate", 3),
        b"{",
    )
    offsets = record_offsets(monkeypatch)
    now = quantities(conf, lake, topic)
    assert now == {"mug": 0, "bowl": 4, "plate": 3}
    assert len(offsets) == 4
    assert kpi_quantities(lake) == {"mug": 9, "bowl": 4}

    # Landed, but not in the table yet: still read from the topic.
    land(conf, lake, TOPICS["stock"], kafka_topic=topic)
    assert quantities(conf, lake, topic) == now
    land_and_refresh()
    assert kpi_quantities(lake) == now
    offsets.clear()
    assert quantities(conf, lake, topic) == now
    assert offsets == []
    assert [level.product_name for level in live_stock.current_levels(None, lake)] == ["Bowl", "Mug", "Plate"]


def test_a_recreated_topic_is_read_from_its_beginning(conf, lake, topic, refresh):
    send(conf, topic, *(adjusted("mug", quantity, quantity) for quantity in range(9)))
    land(conf, lake, TOPICS["stock"], kafka_topic=topic)
    refresh(lake)
    kafka_topics.delete(conf, topic)
    kafka_topics.create(conf, topic)
    send(conf, topic, adjusted("mug", 1, minutes=60))
    assert quantities(conf, lake, topic) == {"mug": 1}


def test_records_of_an_open_transaction_are_ignored(conf, lake, topic):
    producer = Producer({**conf, "transactional.id": unique_event_id()})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, encode(adjusted("mug", 0)), b"mug")
    producer.flush(30)
    assert quantities(conf, lake, topic) == {}
    producer.commit_transaction(30)
    assert supervision.wait_until(lambda: quantities(conf, lake, topic) == {"mug": 0}, seconds=10)
