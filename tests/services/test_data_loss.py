"""Records that Kafka lost before they landed stop the landing; an acknowledgement is recorded."""

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from factories.events import payment_record
from shopnow import events
from shopnow.broker import topic_state
from shopnow.broker.topic_state import TopicState
from shopnow.errors import UserError
from shopnow.lake.delta import commit_metadata, tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import data_loss, landing
from shopnow.lake.ingest.data_loss import LOSSES, Acknowledgement, UnacknowledgedLoss
from shopnow.lake.ingest.landing import LandingResult
from support.kafka_topics import create, delete, send, topic

PAYMENTS = events.TOPICS["payments"]
ACKNOWLEDGEMENT = Acknowledgement("the source still has them", "me")

Land = Callable[..., LandingResult]


@pytest.fixture
def conf(kafka: str) -> dict[str, str]:
    return {"bootstrap.servers": kafka}


@pytest.fixture
def name(conf: dict[str, str]) -> Iterator[str]:
    with topic(conf) as name:
        yield name


@pytest.fixture
def land(conf: dict[str, str], lake: str, name: str) -> Land:
    return lambda **options: landing.land(conf, lake, PAYMENTS, kafka_topic=name, **options)


def version(lake: str) -> int:
    return Table(lake, "raw/payments").version()


def payments(lake: str) -> list[bytes]:
    rows = tables.read(Table(lake, "raw/payments").open(), ["topic_id", "partition", "offset", "value"])
    record_ids = list(
        zip(*(rows[column].to_pylist() for column in ("topic_id", "partition", "offset")), strict=True)
    )
    assert len(set(record_ids)) == len(record_ids)
    return sorted(rows["value"].to_pylist())


def test_expired_records_stop_the_landing_until_acknowledged(conf, lake, name, land):
    send(conf, name, [payment_record(number) for number in range(10)], partition=2)
    land()
    send(conf, name, [payment_record(number) for number in range(10, 20)], partition=2)
    send(conf, name, [payment_record(number) for number in range(20, 30)], partition=1)
    admin = AdminClient(conf)
    new_start = TopicPartition(name, 2, 15)
    admin.delete_records([new_start])[new_start].result()

    before = version(lake)
    message = r"partition 2: offsets 10 to 14 .* at most 5 records lost; .*acknowledge_loss_of.*payments"
    with pytest.raises(UnacknowledgedLoss, match=message):
        land()
    with pytest.raises(UserError, match="with a reason"):
        land(acknowledgement=Acknowledgement("  ", "me"))
    assert version(lake) == before

    assert land(acknowledgement=ACKNOWLEDGEMENT).rows == 15
    assert payments(lake) == sorted(payment_record(number) for number in (*range(10), *range(15, 30)))
    [loss] = data_loss.read(lake)
    assert (loss.id, loss.kind, loss.missing_rows) == ("payments/2/10-14", "expired", 5)
    assert (loss.reason, loss.acknowledged_by) == ACKNOWLEDGEMENT
    assert loss.from_time == events.msgspec.convert("2026-01-02T03:04:05Z", events.Time)
    assert land().commits == 0

    assert commit_metadata.collect(lake, LOSSES) == 1
    assert data_loss.read(lake) == [loss]


def test_an_acknowledgement_without_a_loss_changes_nothing(conf, lake, name, land):
    send(conf, name, [payment_record(0)])
    assert land(acknowledgement=ACKNOWLEDGEMENT).rows == 1
    assert data_loss.read(lake) == []


def test_concurrent_acknowledgements_are_recorded_once(conf, lake, name, land, monkeypatch):
    send(conf, name, [payment_record(number) for number in range(10)], partition=0)
    land()
    send(conf, name, [payment_record(number) for number in range(10, 20)], partition=0)
    admin = AdminClient(conf)
    new_start = TopicPartition(name, 0, 12)
    admin.delete_records([new_start])[new_start].result()
    acknowledge = data_loss.acknowledge

    def acknowledge_second(*args):
        monkeypatch.undo()
        assert land(acknowledgement=ACKNOWLEDGEMENT).rows == 8
        acknowledge(*args)

    monkeypatch.setattr(data_loss, "acknowledge", acknowledge_second)
    assert land(acknowledgement=ACKNOWLEDGEMENT).rows == 0
    assert len(data_loss.read(lake)) == 1


def test_a_recreated_topic_stops_the_landing_and_gets_a_new_id(conf, lake, name, land):
    send(conf, name, [payment_record(number) for number in range(10)], partition=0)
    first = land()
    delete(conf, name)
    with pytest.raises(UserError, match=f"no topic '{name}'"):
        land()
    create(conf, name)
    send(conf, name, [payment_record(number) for number in range(10, 14)], partition=0)
    with pytest.raises(
        UnacknowledgedLoss,
        match="deleted and created again; records of the previous topic after offset 9 are gone",
    ):
        land()
    second = land(acknowledgement=ACKNOWLEDGEMENT)
    assert second.topic_id != first.topic_id
    assert second.offsets == {0: (0, 4)}
    assert payments(lake) == sorted(map(payment_record, range(14)))
    [loss] = data_loss.read(lake)
    assert (loss.id, loss.kind, loss.missing_rows, loss.topic_id) == (
        "payments/0/10-",
        "recreated",
        None,
        first.topic_id,
    )
    send(conf, name, [payment_record(14)])
    assert land().rows == 1


def test_a_truncated_topic_stops_the_landing_and_gets_a_new_id(conf, lake, name, land, monkeypatch):
    send(conf, name, [payment_record(number) for number in range(10)], partition=0)
    send(conf, name, [payment_record(number) for number in range(10, 15)], partition=1)
    land()
    # As if the broker had restarted with six records of partition 0; four new ones reuse the lost offsets.
    describe = topic_state.describe
    delete(conf, name)
    create(conf, name)
    send(conf, name, [payment_record(number) for number in (*range(6), *range(100, 104))], partition=0)
    send(conf, name, [payment_record(number) for number in range(10, 15)], partition=1)
    real_id = topic_state.topic_id(conf, name)
    raw = Table(lake, "raw/payments").open()
    old_id = tables.read(raw, ["topic_id"])["topic_id"][0].as_py()

    def truncate(stable: int) -> None:
        def describe_truncated(*args) -> dict[str, TopicState]:
            [state] = describe(*args).values()
            return {
                name: TopicState(
                    name, old_id, {**state.partitions, 0: (0, min(stable, state.partitions[0][1]))}
                )
            }

        monkeypatch.setattr(topic_state, "describe", describe_truncated)
        monkeypatch.setattr(topic_state, "topic_id", lambda *args: old_id)

    truncate(6)
    with pytest.raises(
        UnacknowledgedLoss, match="partition 0: landed up to offset 10 but Kafka now ends at 6"
    ):
        land()
    assert land(acknowledgement=ACKNOWLEDGEMENT).rows == 0
    truncate(10)
    assert land().offsets == {0: (6, 10)}
    assert real_id != old_id
    assert payments(lake) == sorted(payment_record(number) for number in (*range(15), *range(100, 104)))
    [loss] = data_loss.read(lake)
    assert (loss.id, loss.kind, loss.missing_rows) == ("payments/0/6-9", "truncated", None)


def test_all_records_land_however_many_are_invalid(conf, lake, name, land):
    send(conf, name, [payment_record(0), *[b"nonsense"] * 30], partition=0)
    landed = land()
    assert (landed.rows, landed.quarantined, landed.offsets) == (31, 30, {0: (0, 31)})
