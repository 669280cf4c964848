"""Records that readers do not see: behind another producer's open transaction, or removed by compaction."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic
from typer.testing import CliRunner

from factories.events import payment_record
from shopnow.alerts import collect, metrics
from shopnow.audit import raw_receipts, topics_raw
from shopnow.audit.context import Evidence
from shopnow.audit.kpi_oracle import KpiSettings
from shopnow.broker import held_back, reader, topic_state, topics, transactional_producer
from shopnow.cli.__main__ import app
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import data_loss, lag, receipts
from shopnow.lake.ingest.landing import land
from shopnow.local_stack import supervision
from shopnow.settings import Settings
from shopnow.submission.service import submit
from support import kafka_topics

PAYMENTS = TOPICS["payments"]
COMPACTED = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
"""Configuration of a topic that is compacted once Kafka's log cleaner wakes up, every 15 seconds."""
CANCELLED = b'{"event_type": "order_cancelled", "order_id": "o-1", "reason": "changed my mind"}'


@pytest.fixture
def status(storage: Settings, conf: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict]:
    """Run `./shopnow status --json` for the services of the tests."""
    for name, value in storage.model_dump(exclude_none=True).items():
        monkeypatch.setenv(f"SHOPNOW_{name.upper()}", str(value))

    def status() -> dict:
        result = CliRunner().invoke(app, ["status", "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return status


@pytest.fixture
def open_transaction(conf: dict[str, str]) -> Iterator[Producer]:
    """A producer that has sent one record to each partition of `orders`, and does not end its transaction."""
    producer = Producer({**conf, "transactional.id": f"hung-{uuid.uuid4()}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for partition in topic_state.describe(conf, ["orders"])["orders"].partitions:
        producer.produce("orders", b"{}", partition=partition)
    assert producer.flush(30) == 0
    yield producer
    producer.abort_transaction(30)


def test_records_behind_an_open_transaction_are_counted_and_not_landed(conf, lake, open_transaction, status):
    partitions = topic_state.describe(conf, ["orders"])["orders"].partitions
    land(conf, lake, TOPICS["orders"])
    kafka_topics.send(conf, "orders", [b"{}"] * 20, partition=0)
    found = held_back.read(conf, TOPICS)
    assert [(held.topic, held.records) for held in found] == [("orders", len(partitions) + 20)]
    held = found[0]
    assert datetime.now(UTC) - held.since < timedelta(minutes=5)
    assert str(held.records) in str(held)
    assert status()["held_back"] == [{**held._asdict(), "since": held.since.isoformat()}]
    assert land(conf, lake, TOPICS["orders"]).rows == 0
    by_topic = {position.topic: 0 for position in lag.positions(conf, lake)}
    for position in lag.positions(conf, lake):
        by_topic[position.topic] += position.held_back
    assert by_topic == {**dict.fromkeys(TOPICS, 0), "orders": len(partitions) + 20}

    metric = metrics.METRICS["minutes_held_back"]
    later = held.since + timedelta(minutes=7)
    rows = collect.read_rows(lake, metric, conf=conf)
    minutes = {seen.subject: seen.value for seen in metric.observe("minutes_held_back", rows, later)}
    assert minutes == {**dict.fromkeys(TOPICS, 0), "orders": 7}


def test_events_sent_behind_an_open_transaction_are_reported_as_sent(
    conf, lake, open_transaction, monkeypatch
):
    monkeypatch.setattr(transactional_producer, "TIMEOUT_SECONDS", 1.0)
    batch, at = f"test/{uuid.uuid4()}", datetime.now(UTC)
    try:
        report = submit(conf, batch, CANCELLED, at)
    except UserError as error:
        pytest.fail(f"sending failed although the event is committed: {error}")
    assert [event.held_back for event in report.sent] == [True]
    assert "do not send them again" in report.summary()
    monkeypatch.undo()
    open_transaction.abort_transaction(30)
    open_transaction.begin_transaction()
    # Sending it again finds the event; readers see it now.
    assert submit(conf, batch, CANCELLED, at).sent[0][:-1] == report.sent[0][:-1]
    assert held_back.read(conf, ["orders"]) == []


def test_what_compaction_removed_before_landing_is_a_possible_loss(conf, lake):
    topic = PAYMENTS._replace(name=f"test-{uuid.uuid4()}")
    topics.create(conf, [NewTopic(topic.name, 1, config=COMPACTED)])
    try:
        producer = Producer(conf)

        def send(number: int, key: bytes) -> None:
            producer.produce(topic.name, payment_record(number), key, partition=0)
            assert producer.flush(30) == 0

        def end() -> int:
            return topic_state.describe(conf, [topic.name])[topic.name].end_offsets[0]

        def is_compacted() -> bool:
            send(99, b"other key")  # closes the segment before
            chunks = reader.read(conf, topic.name, {0: (0, end())})
            return sum(len(chunk.offsets) for chunk in chunks) < 60

        for number in range(60):
            send(number, b"one key")
        assert supervision.wait_until(is_compacted, 90, interval=1)
        landed = land(conf, lake, topic)
        assert landed.markers == 0
        assert landed.possibly_lost == end() - landed.rows > 0
        landings = receipts.read(Table(lake, f"raw/{topic.name}")).to_pylist()
        assert data_loss.upper_bound(landings, []) == landed.possibly_lost

        evidence = evidence_of(conf, lake, topic.name)
        assert f"up to {landed.possibly_lost:,} of its records may be lost" in raw_receipts.check(evidence)
        assert topics_raw.check(evidence).startswith(f"{landed.rows:,} records are the same")
    finally:
        kafka_topics.delete(conf, topic.name)


def evidence_of(conf, lake: str, name: str) -> Evidence:
    """Return the evidence about one landed topic."""
    return Evidence(
        conf,
        lake,
        {},
        {},
        {f"raw/{name}": Table(lake, f"raw/{name}").open()},
        [],
        pa.table({}),
        topic_state.describe(conf, [name]),
        KpiSettings(0.95, 2),
        lambda subject, what: None,
        topics.compacted(conf, [name]),
    )
