import json
import signal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopnow import events, validation
from shopnow.record_problems import MAX_EVENT_BYTES
from shopnow.validation import check_records, reason_of

ORDERS = events.TOPICS["orders"].decoder().decode
PAYMENTS = events.TOPICS["payments"].decoder().decode
VIEWS = events.TOPICS["views"].decoder().decode

EVENT = {
    "event_id": "01a20ed2-7cc2-7c01-9a50-000000000001",
    "event_time": "2026-01-02T03:04:05.678Z",
    "schema_version": 1,
}
CANCELLED = {**EVENT, "event_type": "order_cancelled", "order_id": "o-1", "reason": "changed my mind"}
ITEM = {"product_id": "p", "product_name": "n", "category": "c", "quantity": 1, "unit_price_cents": 5}
PLACED = {
    **EVENT,
    "event_type": "order_placed",
    **dict.fromkeys(("order_id", "session_id", "customer_id", "customer_name", "address"), "x"),
    **{"country": "FR", "currency": "EUR", "items": [ITEM], "discount_cents": 0, "total_cents": 5},
}
PAID = {
    **EVENT,
    "event_type": "payment_succeeded",
    **{
        "payment_id": "p",
        "order_id": "o",
        "method": "card",
        "amount_cents": 1,
        "currency": "EUR",
        "attempt": 1,
    },
}


def encoded(event: dict[str, Any], without: str | None = None, **changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (event | changes).items() if name != without}).encode()


def problem_of(value: bytes | None, decode: Any = ORDERS) -> str | None:
    problems = check_records(decode, [value], pa.array([value], pa.binary())).problems
    return problems[0] if problems else None


VALID = encoded(CANCELLED)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "no value"),
        (b"", "empty value"),
        (
            b'"' + b"x" * MAX_EVENT_BYTES + b'"',
            f"too large (at most {MAX_EVENT_BYTES} bytes, has {MAX_EVENT_BYTES + 2})",
        ),
        (b"nope", "invalid JSON (invalid character, byte 4)"),
        (b"{", "invalid JSON (input data was truncated)"),
        (VALID + b"x", f"invalid JSON (trailing characters, byte {len(VALID) + 1})"),
        (b"[" * 1000, "invalid JSON (nested too deep, at most 500 levels)"),
        (b'{"a":' * 100_000, "invalid JSON (nested too deep, at most 500 levels)"),
        (VALID.replace(b"mind", b"\xff\xfe"), f"invalid UTF-8 (byte {VALID.index(b'mind')})"),
        (
            encoded(CANCELLED, note="é").replace(b"\\u00e9", b"\xe9"),
            f"invalid UTF-8 (byte {len(VALID) + 10})",
        ),
        (b"[]", "not JSON: an array (send each event as a record of its own)"),
        (b"null", "wrong type: record (expected object, got null)"),
        (encoded(CANCELLED, without="event_type"), "missing field: event_type"),
        (encoded(CANCELLED, without="order_id"), "missing field: order_id"),
        (encoded(PLACED, items=[ITEM, {}]), "missing field: items[].product_id"),
        (encoded(CANCELLED, event_type="order_lost"), "unknown event type ('order_lost')"),
        (encoded(CANCELLED, event_type=5), "wrong type: event_type (expected str)"),
        (encoded(CANCELLED, order_id=5), "wrong type: order_id (expected str, got int)"),
        (
            encoded(PLACED, items=[ITEM | {"quantity": "1"}]),
            "wrong type: items[].quantity (expected int, got str)",
        ),
        (encoded(PLACED, total_cents=-1), "invalid value: total_cents (at least 0, has -1)"),
        (encoded(CANCELLED, schema_version=3), "invalid value: schema_version (at most 2, has 3)"),
        (encoded(CANCELLED, note=int("1" * 1000)), "number too long (over 1000 characters)"),
        (encoded(CANCELLED, **{"n" * 50_000: 1}), "field name too long (over 50000 bytes)"),
        (encoded(PLACED, total_cents=12.0), "wrong type: total_cents (expected int, got float)"),
        (
            encoded(PLACED, total_cents=2**63),
            "invalid value: total_cents (at most 1000000000000, has 9223372036854775808)",
        ),
        (
            encoded(CANCELLED, order_id="")[:-1] + b',"note":1e400}',
            "invalid value: order_id (expected str of length >= 1)",
        ),
        (encoded(PLACED, coupon=7), "wrong type: coupon (expected str | null, got int)"),
        (
            encoded(CANCELLED, event_time="yesterday"),
            "invalid value: event_time (invalid RFC3339 encoded datetime)",
        ),
        (
            encoded(CANCELLED, event_time="0001-01-01T00:00:00+02:00"),
            "out of range: event_time (not between the years 1 and 9999 in UTC)",
        ),
    ],
)
def test_reports_the_problem(value: bytes | None, expected: str) -> None:
    assert problem_of(value) == expected


MAX_CHECK_SECONDS = 5
"""Processor time that the check of one record may take."""
QUOTED = " - at `$.total_cents"
"""A text that looks like the end of the decoder's messages."""


@pytest.mark.parametrize(
    ("field", "reason"), [("currency", "invalid value: currency"), ("event_type", "unknown event type")]
)
@pytest.mark.parametrize("text", [f"{QUOTED} (", f"{QUOTED}`", QUOTED * 40_000, "x" * 900_000])
def test_a_text_neither_forges_the_reason_nor_fills_the_problem(field: str, reason: str, text: str) -> None:
    problem = problem_of(encoded(PLACED, **{field: text})) or ""
    assert reason_of(problem) == reason
    assert len(problem) < 500


@pytest.mark.parametrize(
    "value",
    [
        encoded(CANCELLED, note='"' * 400_000),
        encoded(CANCELLED, note=[[]] * 200_000),
        b"[" * 501 + b'"' + b'\\"' * 400_000,
        b"[" * 1_000_000,
        b'"' * 1_000_000,
    ],
    ids=["escaped quotes", "many arrays", "not closed", "too deep", "quotes"],
)
def test_the_largest_records_have_a_bounded_cost(value: bytes) -> None:
    def fail(*_: object) -> None:
        pytest.fail(f"the check of one record takes more than {MAX_CHECK_SECONDS} seconds")

    # Not measured afterwards: without the bound, one of these records takes hours.
    handler = signal.signal(signal.SIGVTALRM, fail)
    signal.setitimer(signal.ITIMER_VIRTUAL, MAX_CHECK_SECONDS)
    try:
        problem_of(value)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, handler)


def test_event_type_is_required_even_in_a_topic_with_one_type() -> None:
    assert problem_of(b"{}", VIEWS) == "missing field: event_type"


def test_reports_an_unknown_enum_value() -> None:
    assert (
        problem_of(encoded(PAID, method="cash"), PAYMENTS)
        == "invalid value: method (invalid enum value 'cash')"
    )


@pytest.mark.parametrize(
    "value",
    [
        VALID,
        encoded(PLACED),
        encoded(PLACED, schema_version=2, coupon="c"),
        encoded(PLACED, coupon=None),
        encoded(CANCELLED, a_later_field=[1]),
        encoded(CANCELLED, note="1" * 2000, **{"n" * 40_000: "n" * 60_000}),
    ],
)
def test_valid_records_have_no_problem(value: bytes) -> None:
    assert problem_of(value) is None


def test_an_invalid_record_does_not_affect_the_others() -> None:
    values = [VALID, b"nope", encoded(CANCELLED, event_time="2026-01-02T04:00:00+01:00")]
    result = check_records(ORDERS, values, pa.array(values, pa.binary()))
    assert result.problems == [None, "invalid JSON (invalid character, byte 4)", None]
    assert str(result.first_event) == "2026-01-02 03:00:00+00:00"
    assert str(result.last_event) == "2026-01-02 03:04:05.678000+00:00"


@pytest.mark.parametrize(
    ("error", "name"), [(KeyError("x"), "DecodeError"), (RecursionError(), "RecursionError")]
)
def test_an_unforeseen_error_affects_only_its_record(
    monkeypatch: pytest.MonkeyPatch, error: Exception, name: str
) -> None:
    def describe(*_: object) -> str:
        raise error

    monkeypatch.setattr(validation, "describe", describe)
    values = [b"nope", VALID]
    try:
        problems = check_records(ORDERS, values, pa.array(values, pa.binary())).problems
    except Exception as raised:
        pytest.fail(f"one record ended the check of all: {raised!r}")
    assert problems == [f"unreadable ({name})", None]


@pytest.mark.parametrize("brackets", [501, 1000])
def test_brackets_that_are_never_closed_are_too_deep(brackets: int) -> None:
    values = [b"[" * brackets, VALID]
    result = check_records(ORDERS, values, pa.array(values, pa.binary()))
    assert result.problems == ["invalid JSON (nested too deep, at most 500 levels)", None]


def test_reason_omits_the_detail() -> None:
    reasons = {reason_of(problem_of(b"nope") or ""), reason_of(problem_of(b"{") or "")}
    assert reasons == {"invalid JSON"}


@given(st.lists(st.one_of(st.none(), st.binary(max_size=40), st.just(VALID)), max_size=5))
def test_never_fails_on_any_bytes(values: list[bytes | None]) -> None:
    result = check_records(ORDERS, values, pa.array(values, pa.binary()))
    assert [problem is None for problem in result.problems or [None] * len(values)] == [
        value == VALID for value in values
    ]
