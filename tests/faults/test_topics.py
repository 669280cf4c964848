"""What happens to a topic behind the lake's back: records expire, topics are made anew or grow, transactions abort, nothing comes."""

from collections.abc import Iterator, Sequence
from random import Random

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

import kafka_topics
from faults import oracle, worker
from faults.oracle import Records
from faults.scoreboard import Fault, Scoreboard
from faults.services import Services
from kafka_topics import PARTITIONS, payment
from shopnow.broker import topics
from shopnow.events import TOPICS
from shopnow.lake import landing, losses, quarantine
from shopnow.lake.landing import Landed
from shopnow.lake.losses import Acknowledgement, UnacknowledgedLoss

PAYMENTS = TOPICS["payments"]
GO_ON = Acknowledgement("chaos", "the fault suite")


class Source:
    """A topic of a test's own, a lake for it, and every record the broker acknowledged and committed."""

    def __init__(self, services: Services, name: str) -> None:
        self.conf, self.lake, self.name = services.conf, services.new_lake(), name
        self.sent: Records = Records()

    def send(self, count: int, producer: Producer | None = None, partition: int = -1) -> Records:
        """Sends payments; with a producer of one's own they count only when `sent` is given them."""
        return self.send_values([payment(number) for number in range(count)], producer, partition)

    def send_values(self, values: Sequence[bytes | None], producer: Producer | None = None, partition: int = -1) -> Records:
        topic_id = topics.topic_id(self.conf, self.name)
        delivered: Records = Records()

        def note(error: object, message: object) -> None:
            assert error is None
            delivered[topic_id, message.partition(), message.offset(), oracle.hash_of(message.value())] += 1  # type: ignore[attr-defined]

        through = producer or Producer({**self.conf, "message.max.bytes": topics.MAX_RECORD_BYTES})
        for value in values:
            through.produce(self.name, value, partition=partition, on_delivery=note)
        assert through.flush(30) == 0
        if producer is None:
            self.sent += delivered
        return delivered

    def land(self, acknowledgement: Acknowledgement | None = None) -> Landed:
        return landing.land(self.conf, self.lake, PAYMENTS, kafka_topic=self.name, acknowledgement=acknowledgement)

    def score(self) -> oracle.Score:
        return oracle.score(self.sent, oracle.of_raw(self.lake, "payments"))

    def expire(self, partition: int, before: int) -> None:
        admin, upto = AdminClient(self.conf), TopicPartition(self.name, partition, before)
        admin.delete_records([upto])[upto].result()

    def expired(self, partition: int, start: int, end: int) -> Records:
        """What was sent to these offsets."""
        return Records({record: 1 for record in self.sent if record[1] == partition and start <= record[2] < end})


@pytest.fixture
def source(services: Services) -> Iterator[Source]:
    with kafka_topics.topic(services.conf) as name:
        yield Source(services, name)


BAD = (
    b"nope",
    payment(2).replace(b'"amount_cents":2', b'"amount_cents":"2"'),
    None,
    b"",
    b'{"note":"' + b"x" * (2 << 20) + b'"}',
    payment(3).replace(b"order-3", b"\xff\xfe"),
    payment(4).replace(b"payment_succeeded", b"payment_lost"),
    payment(5).replace(b'"order_id"', b'"other_id"'),
)


def test_bad_records_are_kept_and_replayed_once(source: Source, chance: Random, scoreboard: Scoreboard) -> None:
    values = [*BAD, *map(payment, range(100, 150))]
    chance.shuffle(values)
    source.send_values(values)
    landed = source.land()
    assert (landed.rows, landed.quarantined) == (len(values), len(BAD))
    bad = list(quarantine.records(source.lake))
    assert sorted(map(repr, BAD)) == sorted(repr(record.value) for record in bad)
    corrections = {"payments": {record.place: payment(number) for number, record in enumerate(bad[1:])}}
    for replayed in (len(bad) - 1, 0):
        outcomes = quarantine.correct(source.lake, corrections, why="chaos", by="the fault suite")
        assert sum(each.replayed for each in outcomes) == replayed
    assert [record.place for record in quarantine.records(source.lake)] == [bad[0].place]
    assert source.land().rows == 0
    scoreboard.judge(Fault.BAD, source.score())


def test_retention_removes_unread_records(source: Source, chance: Random, scoreboard: Scoreboard) -> None:
    source.send(chance.randint(20, 60), partition=1)
    landed = source.land()
    start = landed.offsets[1][1]
    source.send(100)
    source.send(20, partition=1)
    end = start + chance.randint(1, 20)
    source.expire(1, end)
    with pytest.raises(UnacknowledgedLoss, match=f"partition 1: offsets {start} to {end - 1} are gone"):
        source.land()
    source.land(GO_ON)
    source.sent -= source.expired(1, start, end)
    [loss] = losses.read(source.lake)
    assert (loss.partition, loss.start_offset, loss.end_offset, loss.missing_rows) == (1, start, end, end - start)
    scoreboard.judge(Fault.RETENTION, source.score())


def test_the_score_tells_of_expired_records_without_protection(source: Source) -> None:
    source.send(20, partition=1)
    source.land()
    source.send(20, partition=1)
    source.expire(1, 30)
    run = {"conf": source.conf, "lake": source.lake, "topics": ["payments"], "kafka_topic": source.name}
    assert worker.run("land", mutation="losses_passed_over", **run).code == 0
    assert source.score().lost == 10


def test_topic_deleted_and_created_again(source: Source, chance: Random, scoreboard: Scoreboard) -> None:
    source.send(chance.randint(10, 100))
    first = source.land()
    kafka_topics.delete(source.conf, source.name)
    kafka_topics.create(source.conf, source.name)
    source.send(chance.randint(10, 200))
    with pytest.raises(UnacknowledgedLoss, match="deleted and created again"):
        source.land()
    assert source.land(GO_ON).topic_id != first.topic_id
    scoreboard.judge(Fault.RECREATED, source.score())


def test_partitions_added(source: Source, chance: Random, scoreboard: Scoreboard) -> None:
    source.send(50)
    source.land()
    admin, more = AdminClient(source.conf), PARTITIONS + chance.randint(1, 4)
    admin.create_partitions([NewPartitions(source.name, more)])[source.name].result()
    for partition in range(more):
        source.send(5, partition=partition)
    assert {partition: start for partition, (start, _) in source.land().offsets.items() if start == 0} == dict.fromkeys(
        range(PARTITIONS, more), 0
    )
    scoreboard.judge(Fault.PARTITIONS, source.score())


def test_aborted_transactions(source: Source, chance: Random, scoreboard: Scoreboard) -> None:
    producer = Producer({**source.conf, "transactional.id": source.name})
    producer.init_transactions()
    for _ in range(6):
        producer.begin_transaction()
        delivered = source.send(chance.randint(1, 30), producer)
        if chance.random() < 0.5:
            producer.commit_transaction()
            source.sent += delivered
        else:
            producer.abort_transaction()
        source.land()
    assert losses.read(source.lake) == []
    scoreboard.judge(Fault.ABORTED, source.score())


def test_idle_topic_then_one_event(source: Source, scoreboard: Scoreboard) -> None:
    source.send(10)
    version = source.land().version
    for _ in range(3):
        idle = source.land()
        assert (idle.commits, idle.version) == (0, version)
    source.send(1)
    assert source.land().rows == 1
    scoreboard.judge(Fault.IDLE, source.score())
