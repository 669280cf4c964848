"""Submission of user events to a real Kafka: atomic, once, and at the reported positions."""

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
from shopnow.broker import reader, topic_state, topics
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

TopicStates = dict[str, topic_state.TopicState]
Position = tuple[str, int, int]


@pytest.fixture
def batch() -> str:
    return f"test/{uuid.uuid4()}"


def topic_states(conf: dict[str, str]) -> TopicStates:
    return topic_state.describe(conf, TOPICS)


def sent_since(conf: dict[str, str], before: TopicStates) -> dict[Position, bytes]:
    """Return position and value of each record committed to the event topics since `before`."""
    records = {}
    for name, now in topic_states(conf).items():
        ranges = {
            partition: (before[name].partitions[partition][1], end)
            for partition, (_, end) in now.partitions.items()
        }
        for chunk in reader.read(conf, name, ranges):
            assert all(headers == [PRODUCER_HEADER] for headers in chunk.headers)
            records |= {
                (name, chunk.partition, offset): value
                for offset, value in zip(chunk.offsets, chunk.values, strict=True)
            }
    return records


def position(sent: Sent) -> Position:
    return (sent.topic, sent.partition, sent.offset)


def test_each_event_is_at_its_reported_position(conf, batch):
    before = topic_states(conf)
    report = submit(conf, batch, json.dumps(EXAMPLES).encode(), AT)
    records = sent_since(conf, before)
    assert [json.loads(records.pop(position(sent))) for sent in report.sent] == EXAMPLES
    assert records == {}
    assert {event["service"] for event in report.as_dict()["sent"]} == set(TOPICS)


def test_a_rejected_event_withholds_the_others_unless_partial(conf, batch):
    before = topic_states(conf)
    data = json.dumps([CANCELLED, {**CANCELLED, "order_id": 5}, CANCELLED]).encode()
    report = submit(conf, batch, data, AT)
    assert (len(report.sent), len(report.rejected), report.withheld) == (0, 1, 2)
    assert sent_since(conf, before) == {}
    report = submit(conf, batch, data, AT, partial=True)
    assert (len(report.sent), len(report.rejected), report.withheld) == (2, 1, 0)
    assert set(sent_since(conf, before)) == set(map(position, report.sent))


def test_a_sent_batch_is_not_sent_again(conf, batch):
    before = topic_states(conf)
    first = submit(conf, batch, json.dumps([CANCELLED] * 2).encode(), AT)
    assert submit(conf, batch, json.dumps([CANCELLED] * 2).encode(), AT) == first
    assert set(sent_since(conf, before)) == set(map(position, first.sent))


@pytest.mark.parametrize("point", FAILPOINTS[1:])  # at the first nothing is sent yet
def test_a_batch_is_sent_once_when_its_sender_is_killed(conf, batch, point, monkeypatch):
    before = topic_states(conf)
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
    assert set(sent_since(conf, before)) == set(map(position, report.sent))
    assert Counter(event.event_id for event in report.sent) == Counter(
        event["event_id"] for event in EXAMPLES
    )


def test_a_fenced_attempt_sends_nothing(conf, batch, monkeypatch):
    before = topic_states(conf)
    wait_for_acks = TransactionalProducer.wait_for_acks

    def take_over(producer: TransactionalProducer) -> list:
        monkeypatch.setattr(TransactionalProducer, "wait_for_acks", wait_for_acks)
        submit(conf, batch, json.dumps(CANCELLED).encode(), AT)
        return wait_for_acks(producer)

    monkeypatch.setattr(TransactionalProducer, "wait_for_acks", take_over)
    with pytest.raises(UserError, match="taken over"):
        submit(conf, batch, json.dumps(CANCELLED).encode(), AT)
    assert len(sent_since(conf, before)) == 1


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=BATCHES)
def test_any_input_is_sent_at_its_reported_positions(conf, data):
    before = topic_states(conf)
    try:
        report = submit(conf, f"test/{uuid.uuid4()}", data, AT)
    except InvalidBatch:
        assert sent_since(conf, before) == {}
        return
    assert set(sent_since(conf, before)) == set(map(position, report.sent))
    assert bool(report.sent) != bool(report.rejected)
    assert report.tables()


@pytest.fixture
def command(conf, monkeypatch):
    """Return a function that runs `./shopnow send` with arguments and input."""
    monkeypatch.setenv(variable_name("kafka_default"), json.dumps({"conn_type": "kafka", "extra": conf}))
    return lambda *arguments, stdin=None: CliRunner().invoke(app, ["send", *arguments], input=stdin)


def test_the_command_prints_a_table(command, tmp_path, conf):
    file = tmp_path / "events.json"
    file.write_text(json.dumps(EXAMPLES))
    result = command(str(file))
    assert result.exit_code == 0
    assert all(event["event_id"] in result.stdout for event in EXAMPLES)
    assert f"{len(EXAMPLES)} events sent" in result.stdout


def test_the_command_reports_rejected_events_and_fails(command):
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
        result = command("-", "--json", *options, stdin=lines)
        assert result.exit_code == 1
        output = json.loads(result.stdout)
        assert (len(output["sent"]), output["withheld"]) == (sent, 1 - sent)
        assert [(event["number"], event["field"]) for event in output["rejected"]] == [
            (2, "order_id"),
            (3, "event_type"),
        ]
        assert len(result.stderr.strip().splitlines()) == 1
    result = command("-", stdin=lines)
    assert "wrong type: order_id" in result.stdout
    assert "\x1b[2J" not in result.stdout


@pytest.mark.parametrize(("argument", "stdin"), [("-", ""), ("no-such-file", None), (".", None)])
def test_the_command_without_events_fails_with_one_line(command, argument, stdin):
    result = command(argument, stdin=stdin)
    assert isinstance(result.exception, UserError)
    assert len(str(result.exception).splitlines()) == 1


def test_an_unreachable_broker_fails_with_one_line(nowhere, batch):
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1 ") as error:
        submit(nowhere, batch, json.dumps(CANCELLED).encode(), AT)
    assert "\n" not in str(error.value)


def test_only_batches_since_the_given_time_are_searched(conf, batch):
    submit(conf, batch, json.dumps(CANCELLED).encode(), AT)
    end = topic_state.describe(conf, [topics.SENT_BATCHES])[topics.SENT_BATCHES].partitions[0][1]
    assert topic_state.offsets_since(conf, topics.SENT_BATCHES, datetime.now(UTC) + timedelta(hours=1)) == {
        0: (end, end)
    }
    [(first, last)] = topic_state.offsets_since(
        conf, topics.SENT_BATCHES, datetime.now(UTC) - timedelta(minutes=5)
    ).values()
    assert first < last == end
    # Kafka takes some timestamps before 1970 for the first and the last offset, and refuses the others.
    for at in (datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)):
        assert topic_state.offsets_since(conf, topics.SENT_BATCHES, at) == {0: (0, end)}
