"""Validation of user events: accepted input, defaults and problems."""

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings

from factories.events import event_id
from factories.fuzz_inputs import BATCHES, EXAMPLES
from shopnow import validation as record_validation
from shopnow.events import SCHEMA_VERSION, TOPIC_OF, TOPICS
from shopnow.submission import validation
from shopnow.submission.report import Report
from shopnow.submission.service import encode_events
from shopnow.submission.validation import Checked, Defaults, InvalidBatch, check

DEFAULTS = Defaults(datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC), event_id)
CANCELLED: dict[str, Any] = {"event_type": "order_cancelled", "order_id": "o-1", "reason": "changed my mind"}
COMPLETE = {**CANCELLED, "event_id": event_id(99), "event_time": "2026-01-01T00:00:00Z", "schema_version": 1}


def check_lines(*events: Any) -> Checked:
    """Validate events as JSON lines; text is used unchanged."""
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return check("\n".join(lines).encode(), DEFAULTS)


def test_every_type_goes_to_its_topic_unchanged():
    lines = [json.dumps(event, indent=None) for event in EXAMPLES]
    result = check_lines(*lines)
    assert result.rejected == []
    assert [event.topic for event in result.accepted] == [topic.name for topic in TOPIC_OF.values()]
    assert [event.value.decode() for event in result.accepted] == lines
    assert [event.key.decode() for event in result.accepted] == [
        event[topic.key] for event, topic in zip(EXAMPLES, TOPIC_OF.values(), strict=True)
    ]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_an_array_and_lines_are_equivalent(indent):
    single, array = (json.dumps(value, indent=indent).encode() for value in (COMPLETE, [COMPLETE]))
    lines = b"\n" + json.dumps(COMPLETE).encode() + b"\r\n\n"
    results = [check(data, DEFAULTS) for data in (single, array, lines, b"\xef\xbb\xbf" + single)]
    assert [json.loads(result.accepted[0].value) for result in results] == [COMPLETE] * 4
    assert [(len(result.accepted), len(result.rejected)) for result in results] == [(1, 0)] * 4


def test_omitted_fields_get_defaults():
    [accepted] = check_lines(CANCELLED).accepted
    added = {
        "event_id": event_id(1),
        "event_time": "2026-01-02T03:04:05.678Z",
        "schema_version": SCHEMA_VERSION,
    }
    assert json.loads(accepted.value) == CANCELLED | added
    assert accepted.event_id == added["event_id"]


def test_lines_are_numbered_as_in_the_file_and_invalid_ones_are_rejected_alone():
    result = check_lines(COMPLETE, "", '{"event_type": nope}', CANCELLED | {"order_id": 5}, CANCELLED)
    assert [event.number for event in result.accepted] == [1, 5]
    assert [(event.number, event.event_type, event.field, event.problem) for event in result.rejected] == [
        (3, None, None, "invalid JSON (invalid character, byte 16)"),
        (4, "order_cancelled", "order_id", "wrong type: order_id (expected str, got int)"),
    ]


@pytest.mark.parametrize(
    ("event", "field", "problem"),
    [
        ("[5]", None, "wrong type: record (expected object, got int)"),
        ("null", None, "wrong type: record (expected object, got null)"),
        ("{}", "event_type", "missing field: event_type"),
        ({**CANCELLED, "event_type": "order_lost"}, "event_type", "unknown event type ('order_lost')"),
        ({**CANCELLED, "event_type": 5}, "event_type", "wrong type: event_type (expected str)"),
        ({**CANCELLED, "event_id": None}, "event_id", "wrong type: event_id (expected str, got null)"),
        (
            {**CANCELLED, "event_id": "short"},
            "event_id",
            "invalid value: event_id (at least 36 characters, has 5)",
        ),
        (
            {**CANCELLED, "event_time": "2026-01-01"},
            "event_time",
            "invalid value: event_time (invalid RFC3339 encoded datetime)",
        ),
        (
            {**CANCELLED, "schema_version": 99},
            "schema_version",
            f"invalid value: schema_version (at most {SCHEMA_VERSION}, has 99)",
        ),
        ('{"event_type": "order_cancelled",\n"order_id"}', None, "invalid JSON (expected ':', byte 44)"),
        ("no JSON\nat all", None, "invalid JSON (invalid character, byte 4)"),
    ],
)
def test_problems_name_field_and_reason(event, field, problem):
    result = check_lines(event)
    assert result.accepted == []
    assert [(event.field, event.problem) for event in result.rejected] == [(field, problem)]


def test_a_second_event_with_the_same_id_is_rejected():
    result = check_lines(COMPLETE, COMPLETE | {"order_id": "o-2"})
    assert [event.number for event in result.accepted] == [1]
    assert result.rejected[0].problem == "invalid value: event_id (the same as that of event 1)"


@pytest.mark.parametrize("data", [b"", b" \n\t\n", b"[]", b"\xef\xbb\xbf"])
def test_an_empty_batch_is_invalid(data):
    with pytest.raises(InvalidBatch, match="no event"):
        check(data, DEFAULTS)


def test_a_batch_that_is_too_large_is_invalid(monkeypatch):
    monkeypatch.setattr(validation, "MAX_EVENTS", 2)
    assert len(check_lines(CANCELLED, "nope", "").accepted) == 1
    with pytest.raises(InvalidBatch, match="more than 2 events"):
        check_lines(CANCELLED, "nope", CANCELLED)
    monkeypatch.setattr(validation, "MAX_BYTES", 10)
    with pytest.raises(InvalidBatch, match="in several batches"):
        check_lines(CANCELLED)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(BATCHES)
@example(b'{"event_type": "order_cancelled", "event_type": "payment_failed"}')
def test_any_input_is_accepted_or_rejected(data):
    try:
        result = check(data, DEFAULTS)
    except InvalidBatch:
        return
    assert result.accepted or result.rejected
    numbers = [event.number for event in (*result.accepted, *result.rejected)]
    assert len(numbers) == len(set(numbers))
    assert all(event.problem for event in result.rejected)
    for event in result.accepted:
        # Landing accepts exactly the bytes that are sent, in the same topic.
        assert (
            record_validation.check_records(
                TOPICS[event.topic].decoder().decode, [event.value], pa.array([event.value])
            ).problems
            is None
        )
        assert event.key


@pytest.mark.parametrize("events", [{"a": "\ud800"}, {"\ud800": 1}, float("nan"), 10**30, "\ud800", [None]])
def test_parsed_events_that_are_no_valid_json_are_rejected_with_a_reason(events):
    checked = check(encode_events(events), DEFAULTS)
    assert not checked.accepted
    assert checked.rejected[0].problem


def test_events_nested_too_deep_are_refused():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidBatch, match="nested too deep"):
        encode_events(deep)


def test_the_report_has_no_character_that_a_database_refuses():
    rejected = check_lines('{"event_type":"a\\u0000b\\ue000"}').rejected
    [row] = Report([], rejected).as_dict()["rejected"]
    assert row["event_type"] == "a\\x00b\\ue000"
    assert all(value.isprintable() for value in row.values() if isinstance(value, str))
