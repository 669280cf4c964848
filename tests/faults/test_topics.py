"""Changes of a topic: records expire, it is recreated or grows, transactions abort, or no record arrives."""

from random import Random

import pytest
from confluent_kafka import Producer

from factories.events import payment_record
from faults.scoreboard import Fault, Scoreboard
from faults.source import Source
from shopnow.lake.governance import quarantine
from shopnow.lake.ingest import data_loss
from shopnow.lake.ingest.data_loss import Acknowledgement, UnacknowledgedLoss
from support import kafka_topics
from support.kafka_topics import PARTITIONS

ACKNOWLEDGEMENT = Acknowledgement("chaos", "the fault suite")

BAD = (
    b"nope",
    payment_record(2).replace(b'"amount_cents":2', b'"amount_cents":"2"'),
    None,
    b"",
    b'{"note":"' + b"x" * (2 << 20) + b'"}',
    payment_record(3).replace(b"order-3", b"\xff\xfe"),
    payment_record(4).replace(b"payment_succeeded", b"payment_lost"),
    payment_record(5).replace(b'"order_id"', b'"other_id"'),
)


def test_bad_records_are_kept_and_replayed_once(source: Source, rng: Random, scoreboard: Scoreboard) -> None:
    values = [*BAD, *map(payment_record, range(100, 150))]
    rng.shuffle(values)
    source.send_values(values)
    landed = source.land()
    assert (landed.rows, landed.quarantined) == (len(values), len(BAD))
    bad = list(quarantine.records(source.lake))
    assert sorted(map(repr, BAD)) == sorted(repr(record.value) for record in bad)
    corrections = {
        "payments": {record.record_id: payment_record(number) for number, record in enumerate(bad[1:])}
    }
    for replayed in (len(bad) - 1, 0):
        outcomes = quarantine.correct(source.lake, corrections, why="chaos", by="the fault suite")
        assert sum(outcome.replayed for outcome in outcomes) == replayed
    assert [record.record_id for record in quarantine.records(source.lake)] == [bad[0].record_id]
    assert source.land().rows == 0
    scoreboard.judge(Fault.BAD, source.score())


def test_retention_removes_unread_records(source: Source, rng: Random, scoreboard: Scoreboard) -> None:
    source.send(rng.randint(20, 60), partition=1)
    landed = source.land()
    start = landed.offsets[1][1]
    source.send(100)
    source.send(20, partition=1)
    end = start + rng.randint(1, 20)
    source.expire(1, end)
    with pytest.raises(UnacknowledgedLoss, match=f"partition 1: offsets {start} to {end - 1} are gone"):
        source.land()
    source.land(ACKNOWLEDGEMENT)
    source.sent -= source.expired(1, start, end)
    [loss] = data_loss.read(source.lake)
    assert (loss.partition, loss.start_offset, loss.end_offset, loss.missing_rows) == (
        1,
        start,
        end,
        end - start,
    )
    scoreboard.judge(Fault.RETENTION, source.score())


def test_the_score_detects_expired_records_without_protection(source: Source) -> None:
    source.send(20, partition=1)
    source.land()
    source.send(20, partition=1)
    source.expire(1, 30)
    source.land_with_mutation("data_loss_ignored")
    assert source.score().lost == 10


def test_topic_deleted_and_created_again(source: Source, rng: Random, scoreboard: Scoreboard) -> None:
    source.send(rng.randint(10, 100))
    first = source.land()
    kafka_topics.delete(source.conf, source.name)
    kafka_topics.create(source.conf, source.name)
    source.send(rng.randint(10, 200))
    with pytest.raises(UnacknowledgedLoss, match="deleted and created again"):
        source.land()
    assert source.land(ACKNOWLEDGEMENT).topic_id != first.topic_id
    scoreboard.judge(Fault.RECREATED, source.score())


def test_the_score_detects_a_recreated_topic_identified_by_name(source: Source) -> None:
    source.send(20, partition=0)
    source.land_with_mutation("topics_identified_by_name")
    kafka_topics.delete(source.conf, source.name)
    kafka_topics.create(source.conf, source.name)
    source.send(50, partition=0)
    source.land_with_mutation("topics_identified_by_name")
    assert source.score().lost == 20


def test_partitions_added(source: Source, rng: Random, scoreboard: Scoreboard) -> None:
    for partition in range(PARTITIONS):
        source.send(rng.randint(1, 30), partition=partition)
    source.land()
    partitions = PARTITIONS + rng.randint(1, 4)
    kafka_topics.add_partitions(source.conf, source.name, partitions)
    for partition in range(partitions):
        source.send(5, partition=partition)
    assert {
        partition: start for partition, (start, _) in source.land().offsets.items() if start == 0
    } == dict.fromkeys(range(PARTITIONS, partitions), 0)
    scoreboard.judge(Fault.PARTITIONS, source.score())


def test_the_score_detects_added_partitions_read_from_their_high_watermark(source: Source) -> None:
    kafka_topics.add_partitions(source.conf, source.name, PARTITIONS + 1)
    source.send(5, partition=PARTITIONS)
    source.send(5, partition=0)
    source.land_with_mutation("new_partitions_read_from_high_watermark")
    assert source.score().lost == 5


def test_aborted_transactions(source: Source, rng: Random, scoreboard: Scoreboard) -> None:
    producer = Producer({**source.conf, "transactional.id": source.name})
    producer.init_transactions()
    for _ in range(6):
        producer.begin_transaction()
        delivered = source.send(rng.randint(1, 30), producer)
        if rng.random() < 0.5:
            producer.commit_transaction()
            source.sent += delivered
        else:
            producer.abort_transaction()
        source.land()
    assert data_loss.read(source.lake) == []
    scoreboard.judge(Fault.ABORTED, source.score())


def test_the_score_detects_aborted_records_that_are_read(source: Source) -> None:
    producer = Producer({**source.conf, "transactional.id": source.name})
    producer.init_transactions()
    producer.begin_transaction()
    source.send(7, producer)
    producer.abort_transaction()
    source.send(5)
    source.land_with_mutation("aborted_records_read")
    assert source.score().unknown == 7


def test_idle_topic_then_one_event(source: Source, scoreboard: Scoreboard) -> None:
    source.send(10)
    version = source.land().version
    for _ in range(3):
        idle = source.land()
        assert (idle.commits, idle.version) == (0, version)
    source.send(1)
    assert source.land().rows == 1
    scoreboard.judge(Fault.IDLE, source.score())
