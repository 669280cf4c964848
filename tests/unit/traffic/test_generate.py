from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shopnow.errors import UserError
from shopnow.traffic.generate import begin, check
from shopnow.traffic.journal import moment
from shopnow.traffic.state import Run, Shop, State

GOOD: dict[str, Any] = {"run_id": "run", "sessions": 10, "seed": 1, "payment_failure_rate": 0.1, "start": None, "end": None}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"run_id": ""}, "run_id"),
        ({"run_id": None}, "run_id"),
        ({"sessions": 0}, "sessions 0"),
        ({"sessions": 1_000_001}, "1000000"),
        ({"sessions": 1.5}, "whole number"),
        ({"sessions": "10"}, "whole number"),
        ({"sessions": True}, "whole number"),
        ({"seed": -1}, "seed -1"),
        ({"seed": "abc"}, "seed 'abc'"),
        ({"payment_failure_rate": 1.01}, "payment_failure_rate 1.01"),
        ({"payment_failure_rate": float("nan")}, "payment_failure_rate nan"),
        ({"payment_failure_rate": "a lot"}, "payment_failure_rate"),
        ({"start": NOON.replace(tzinfo=None)}, "time zone"),
        ({"start": NOON.replace(year=1969)}, "after 1970"),
        ({"start": NOON, "end": NOON}, "not before the end"),
        ({"sessions_per_transaction": 0}, "sessions_per_transaction"),
    ],
)
def test_wrong_parameters_are_named_in_one_line(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        check(**{**GOOD, **wrong})
    assert "\n" not in str(error.value)


def test_right_parameters_pass() -> None:
    check(**GOOD)
    check(**{**GOOD, "payment_failure_rate": 0, "start": NOON, "end": NOON + timedelta(hours=1)})


def test_the_first_run_covers_the_last_day() -> None:
    before = datetime.now(UTC)
    run = begin(State(), **GOOD)
    assert moment(run.end) - moment(run.start) == timedelta(days=1)
    assert abs(moment(run.end) - before) < timedelta(minutes=1)


def test_the_next_run_goes_on_where_the_last_one_ended() -> None:
    clock = int((datetime.now(UTC) - timedelta(minutes=5)).timestamp() * 1000)
    assert begin(State(Shop(opened=0, clock=clock)), **GOOD).start == clock


def test_a_clock_ahead_of_the_time_of_day_goes_on_too() -> None:
    clock = int((datetime.now(UTC) + timedelta(hours=5)).timestamp() * 1000)
    run = begin(State(Shop(opened=0, clock=clock)), **GOOD)
    assert clock == run.start < run.end


def test_the_past_cannot_be_simulated_twice() -> None:
    state = State(Shop(opened=0, clock=int(NOON.timestamp() * 1000)))
    with pytest.raises(UserError, match="up to 2026-01-01T12:00:00"):
        begin(state, **{**GOOD, "start": NOON - timedelta(hours=1), "end": NOON + timedelta(hours=1)})


def test_a_run_is_taken_up_where_it_was_left() -> None:
    left = Run("run", 10, 1, 0.1, 5, 9, done=4)
    assert begin(State(runs={"run": left}), **GOOD) is left


def test_microseconds_of_its_start_do_not_keep_a_run_from_being_taken_up() -> None:
    asked = {**GOOD, "start": NOON + timedelta(microseconds=123_456), "end": NOON + timedelta(hours=1, microseconds=7)}
    run = begin(State(), **asked)
    assert begin(State(runs={"run": run}), **asked) is run


def test_a_run_is_not_taken_up_with_other_parameters() -> None:
    left = Run("run", 10, 2, 0.1, 5, 9, done=4)
    with pytest.raises(UserError, match="began with sessions 10, seed 2"):
        begin(State(runs={"run": left}), **GOOD)
