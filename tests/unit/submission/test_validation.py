"""What a person may write for events, and what they are told."""

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings

from factories.fuzz_inputs import BATCHES, EXAMPLES
from shopnow import validation as record_validation
from shopnow.events import SCHEMA_VERSION, TOPIC_OF, TOPICS
from shopnow.submission import validation
from shopnow.submission.validation import Checked, Defaults, InvalidBatch, check

BLANKS = Defaults(datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC), lambda number: f"{number:036}")
CANCELLED: dict[str, Any] = {"event_type": "order_cancelled", "order_id": "o-1", "reason": "changed my mind"}
COMPLETE = {**CANCELLED, "event_id": "e" * 36, "event_time": "2026-01-01T00:00:00Z", "schema_version": 1}


def checked(*given: Any) -> Checked:
    """Of events as JSON lines; text is taken as it is."""
    lines = [each if isinstance(each, str) else json.dumps(each) for each in given]
    return check("\n".join(lines).encode(), BLANKS)


def test_every_type_goes_to_its_service_and_is_sent_as_it_was_written():
    lines = [json.dumps(event, indent=None) for event in EXAMPLES]
    found = checked(*lines)
    assert found.rejected == []
    assert [each.topic for each in found.accepted] == [topic.name for topic in TOPIC_OF.values()]
    assert [each.value.decode() for each in found.accepted] == lines
    assert [each.key.decode() for each in found.accepted] == [
        event[topic.key] for event, topic in zip(EXAMPLES, TOPIC_OF.values(), strict=True)
    ]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_an_array_and_lines_are_the_same(indent):
    one, array = (json.dumps(value, indent=indent).encode() for value in (COMPLETE, [COMPLETE]))
    lines = b"\n" + json.dumps(COMPLETE).encode() + b"\r\n\n"
    results = [check(data, BLANKS) for data in (one, array, lines, b"\xef\xbb\xbf" + one)]
    assert [json.loads(result.accepted[0].value) for result in results] == [COMPLETE] * 4
    assert [(len(result.accepted), len(result.rejected)) for result in results] == [(1, 0)] * 4


def test_what_is_left_out_is_filled_in():
    [accepted] = checked(CANCELLED).accepted
    filled = {
        "event_id": f"{1:036}",
        "event_time": "2026-01-02T03:04:05.678Z",
        "schema_version": SCHEMA_VERSION,
    }
    assert json.loads(accepted.value) == CANCELLED | filled
    assert accepted.event_id == filled["event_id"]


def test_lines_are_numbered_as_in_the_file_and_bad_ones_do_not_hide_the_others():
    found = checked(COMPLETE, "", '{"event_type": nope}', CANCELLED | {"order_id": 5}, CANCELLED)
    assert [each.number for each in found.accepted] == [1, 5]
    assert [(each.number, each.event_type, each.field, each.problem) for each in found.rejected] == [
        (3, None, None, "invalid JSON (invalid character, byte 16)"),
        (4, "order_cancelled", "order_id", "wrong type: order_id (expected str, got int)"),
    ]


@pytest.mark.parametrize(
    ("given", "field", "problem"),
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
            "invalid value: event_id (expected str of length >= 36)",
        ),
        (
            {**CANCELLED, "event_time": "2026-01-01"},
            "event_time",
            "invalid value: event_time (invalid RFC3339 encoded datetime)",
        ),
        (
            {**CANCELLED, "schema_version": 99},
            "schema_version",
            f"invalid value: schema_version (expected int <= {SCHEMA_VERSION})",
        ),
        ('{"event_type": "order_cancelled",\n"order_id"}', None, "invalid JSON (expected ':', byte 44)"),
        ("no JSON\nat all", None, "invalid JSON (invalid character, byte 4)"),
    ],
)
def test_says_which_field_and_why(given, field, problem):
    found = checked(given)
    assert found.accepted == []
    assert [(each.field, each.problem) for each in found.rejected] == [(field, problem)]


def test_a_second_event_of_the_same_id_is_rejected_as_the_lake_would_drop_it():
    found = checked(COMPLETE, COMPLETE | {"order_id": "o-2"})
    assert [each.number for each in found.accepted] == [1]
    assert found.rejected[0].problem == "invalid value: event_id (the same as that of event 1)"


@pytest.mark.parametrize("data", [b"", b" \n\t\n", b"[]", b"\xef\xbb\xbf"])
def test_nothing_is_said_to_be_nothing(data):
    with pytest.raises(InvalidBatch, match="no event"):
        check(data, BLANKS)


def test_too_much_is_refused_as_a_whole(monkeypatch):
    monkeypatch.setattr(validation, "MAX_EVENTS", 2)
    assert len(checked(CANCELLED, "nope", "").accepted) == 1
    with pytest.raises(InvalidBatch, match="more than 2 events"):
        checked(CANCELLED, "nope", CANCELLED)
    monkeypatch.setattr(validation, "MAX_BYTES", 10)
    with pytest.raises(InvalidBatch, match="in several batches"):
        checked(CANCELLED)


@settings(
    max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(BATCHES)
@example(b'{"event_type": "order_cancelled", "event_type": "payment_failed"}')
def test_whatever_is_given_is_answered(data):
    try:
        found = check(data, BLANKS)
    except InvalidBatch:
        return
    assert found.accepted or found.rejected
    numbers = [each.number for each in (*found.accepted, *found.rejected)]
    assert len(numbers) == len(set(numbers))
    assert all(each.problem for each in found.rejected)
    for each in found.accepted:
        # What is sent is what landing takes for valid, in that very topic.
        assert (
            record_validation.check(
                TOPICS[each.topic].decoder().decode, [each.value], pa.array([each.value])
            ).problems
            is None
        )
        assert each.key
