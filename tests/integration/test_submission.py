"""A person's own events on a real Kafka: all of a batch or none, once, and where the answer says."""

import json
import signal
import subprocess
import sys
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from typer.testing import CliRunner

from factories.fuzz_inputs import BATCHES, EXAMPLES
from shopnow.broker import reader, topics
from shopnow.broker.transactional_producer import TransactionalProducer
from shopnow.cli.__main__ import app
from shopnow.connections import variable_name
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.submission.producer import FAILPOINTS, PRODUCER_HEADER, Sent
from shopnow.submission.service import submit
from shopnow.submission.validation import InvalidBatch

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CANCELLED = {"event_type": "order_cancelled", "order_id": "o-1", "reason": "changed my mind"}

Mark = dict[str, topics.TopicState]
Place = tuple[str, int, int]


@pytest.fixture
def batch() -> str:
    return f"test/{uuid.uuid4()}"


def mark(conf: dict[str, str]) -> Mark:
    return topics.describe(conf, TOPICS)


def since(conf: dict[str, str], before: Mark) -> dict[Place, bytes]:
    """What was committed to the event topics after the mark by `send`: where each record is, and its value."""
    found = {}
    for name, now in mark(conf).items():
        ranges = {
            partition: (before[name].partitions[partition][1], end)
            for partition, (_, end) in now.partitions.items()
        }
        for chunk in reader.read(conf, name, ranges):
            assert all(headers == [PRODUCER_HEADER] for headers in chunk.headers)
            found |= {
                (name, chunk.partition, offset): value
                for offset, value in zip(chunk.offsets, chunk.values, strict=True)
            }
    return found


def place(sent: Sent) -> Place:
    return (sent.topic, sent.partition, sent.offset)


def test_each_event_is_where_the_answer_says(conf, batch):
    before = mark(conf)
    report = submit(conf, batch, json.dumps(EXAMPLES).encode(), AT)
    found = since(conf, before)
    assert [json.loads(found.pop(place(sent))) for sent in report.sent] == EXAMPLES
    assert found == {}
    assert {each["service"] for each in report.as_dict()["sent"]} == set(TOPICS)


def test_one_that_is_rejected_keeps_all_back_unless_told_otherwise(conf, batch):
    before = mark(conf)
    data = json.dumps([CANCELLED, {**CANCELLED, "order_id": 5}, CANCELLED]).encode()
    report = submit(conf, batch, data, AT)
    assert (len(report.sent), len(report.rejected), report.withheld) == (0, 1, 2)
    assert since(conf, before) == {}
    report = submit(conf, batch, data, AT, partial=True)
    assert (len(report.sent), len(report.rejected), report.withheld) == (2, 1, 0)
    assert set(since(conf, before)) == set(map(place, report.sent))


def test_a_batch_that_was_sent_is_not_sent_again(conf, batch):
    before = mark(conf)
    first = submit(conf, batch, json.dumps([CANCELLED] * 2).encode(), AT)
    assert submit(conf, batch, json.dumps([CANCELLED] * 2).encode(), AT) == first
    assert set(since(conf, before)) == set(map(place, first.sent))


@pytest.mark.parametrize("point", FAILPOINTS[1:])  # at the first nothing has been sent yet
def test_a_batch_whose_sender_is_killed_is_sent_once(conf, batch, point, monkeypatch):
    before = mark(conf)
    data = json.dumps(EXAMPLES).encode()
    code = f"""
from datetime import datetime
from shopnow.submission.service import submit
submit({conf!r}, {batch!r}, {data!r}, datetime.fromisoformat({AT.isoformat()!r}))
"""
    monkeypatch.setenv("SHOPNOW_KILL_AT", point)
    killed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    monkeypatch.delenv("SHOPNOW_KILL_AT")
    report = submit(conf, batch, data, AT)
    assert set(since(conf, before)) == set(map(place, report.sent))
    assert Counter(each.event_id for each in report.sent) == Counter(event["event_id"] for event in EXAMPLES)


def test_an_attempt_that_was_taken_over_sends_nothing(conf, batch, monkeypatch):
    before = mark(conf)
    acknowledged = TransactionalProducer.acknowledged

    def take_over(producer: TransactionalProducer) -> list:
        monkeypatch.setattr(TransactionalProducer, "acknowledged", acknowledged)
        submit(conf, batch, json.dumps(CANCELLED).encode(), AT)
        return acknowledged(producer)

    monkeypatch.setattr(TransactionalProducer, "acknowledged", take_over)
    with pytest.raises(UserError, match="taken over"):
        submit(conf, batch, json.dumps(CANCELLED).encode(), AT)
    assert len(since(conf, before)) == 1


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=BATCHES)
def test_whatever_is_given_is_sent_as_the_answer_says(conf, data):
    before = mark(conf)
    try:
        report = submit(conf, f"test/{uuid.uuid4()}", data, AT)
    except InvalidBatch:
        assert since(conf, before) == {}
        return
    assert set(since(conf, before)) == set(map(place, report.sent))
    assert bool(report.sent) != bool(report.rejected)
    assert report.tables()


@pytest.fixture
def command(conf, monkeypatch):
    """Runs `./shopnow send` with some words and input."""
    monkeypatch.setenv(variable_name("kafka_default"), json.dumps({"conn_type": "kafka", "extra": conf}))
    return lambda *words, given=None: CliRunner().invoke(app, ["send", *words], input=given)


def test_the_command_answers_with_a_table(command, tmp_path, conf):
    file = tmp_path / "events.json"
    file.write_text(json.dumps(EXAMPLES))
    answer = command(str(file))
    assert answer.exit_code == 0
    assert all(event["event_id"] in answer.stdout for event in EXAMPLES)
    assert f"{len(EXAMPLES)} events sent" in answer.stdout


def test_the_command_says_what_it_rejects_and_fails(command):
    lines = "\n".join(
        map(
            json.dumps,
            (
                CANCELLED,
                {**CANCELLED, "order_id": 5, "event_type": "order_cancelled"},
                {"event_type": "\x1b[2J"},
            ),
        )
    )
    for options, sent in ((), 0), (("--partial",), 1):
        answer = command("-", "--json", *options, given=lines)
        assert answer.exit_code == 1
        told = json.loads(answer.stdout)
        assert (len(told["sent"]), told["withheld"]) == (sent, 1 - sent)
        assert [(each["number"], each["field"]) for each in told["rejected"]] == [
            (2, "order_id"),
            (3, "event_type"),
        ]
        assert len(answer.stderr.strip().splitlines()) == 1
    answer = command("-", given=lines)
    assert "wrong type: order_id" in answer.stdout
    assert "\x1b[2J" not in answer.stdout


@pytest.mark.parametrize(("word", "given"), [("-", ""), ("no-such-file", None), (".", None)])
def test_the_command_without_events_is_one_clear_line(command, word, given):
    answer = command(word, given=given)
    assert isinstance(answer.exception, UserError)
    assert len(str(answer.exception).splitlines()) == 1


def test_a_broker_that_is_not_there_is_one_clear_line(monkeypatch, batch):
    monkeypatch.setattr(topics, "TIMEOUT_SECONDS", 1.0)
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1 ") as error:
        submit({"bootstrap.servers": "127.0.0.1:1"}, batch, json.dumps(CANCELLED).encode(), AT)
    assert "\n" not in str(error.value)


def test_only_batches_as_new_as_this_one_are_looked_through(conf, batch):
    submit(conf, batch, json.dumps(CANCELLED).encode(), AT)
    end = topics.describe(conf, [topics.SENT_BATCHES])[topics.SENT_BATCHES].partitions[0][1]
    assert topics.offsets_since(conf, topics.SENT_BATCHES, datetime.now(UTC) + timedelta(hours=1)) == {
        0: (end, end)
    }
    [(first, last)] = topics.offsets_since(
        conf, topics.SENT_BATCHES, datetime.now(UTC) - timedelta(minutes=5)
    ).values()
    assert first < last == end
