from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shopnow.errors import UserError
from shopnow.traffic import dag_params
from shopnow.traffic.event_buffer import to_datetime
from shopnow.traffic.generate import begin_run, remaining_chunks
from shopnow.traffic.run_config import LIGHT_SESSIONS, LIMITS, Faults, RunConfig, resolve_period, validate
from shopnow.traffic.state import Run, Shop, State

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
HOUR = timedelta(hours=1)
HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sessions": 0}, "sessions 0: give a whole number from 1 to 10000000"),
        ({"sessions": 10_000_001}, "sessions 10000001"),
        ({"sessions": 1.5}, "whole number"),
        ({"sessions": "10"}, "whole number"),
        ({"sessions": True}, "whole number"),
        ({"sessions": 5, "sessions_per_day": 5}, "give only one of them"),
        ({"sessions_per_day": 0}, "sessions_per_day 0"),
        ({"seed": -1}, "seed -1"),
        ({"seed": "abc"}, "seed 'abc'"),
        (
            {"payment_failure_rate": 0.1},
            "unknown parameter payment_failure_rate: expected one of scenario, sessions",
        ),
        ({"scenario": "rush"}, "scenario 'rush': give one of"),
        ({"pace": "slow"}, "pace 'slow'"),
        ({"hours": 0}, "hours 0"),
        ({"hours": float("nan")}, "hours nan"),
        ({"start": NOON.replace(tzinfo=None)}, "time zone"),
        ({"start": NOON.replace(year=1969)}, "1971"),
        ({"start": NOON, "end": NOON}, "is not before end"),
        ({"start": NOON, "end": NOON + HOUR, "hours": 1}, "two of them"),
        ({"start": NOON, "end": NOON + 9000 * HOUR}, "more than a year"),
        ({"pace": "real time", "start": NOON}, "leave start and end empty"),
        ({"pace": "real time", "hours": 1}, "real time.*0.5"),
        ({"faults": Faults(late=0.51)}, "late 0.51"),
        ({"faults": Faults(malformed=0.3)}, "malformed 0.3"),
        ({"faults": Faults(late=0.5, duplicate=0.5, out_of_order=0.1)}, "at most 1 together"),
        ({"faults": Faults(clock_skew_seconds=-1)}, "clock_skew_seconds -1"),
    ],
)
def test_invalid_parameters_are_explained_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        validate(**options)
    assert "\n" not in str(error.value)


def test_the_default_form_is_a_light_run_of_a_normal_day() -> None:
    defaults = {name: field["default"] for name, field in dag_params.form_fields().items()}
    options = dag_params.parse(defaults, "run")
    assert validate(**options) == RunConfig(seed=options["seed"])
    assert dag_params.parse(defaults, "run")["seed"] != dag_params.parse(defaults, "other")["seed"]
    assert begin_run(State(), "run", validate(**options)).sessions == LIGHT_SESSIONS


def test_form_values_become_the_run_config() -> None:
    values = {
        "scenario": "flash_sale",
        "seed": 0,
        "start": "2026-01-01T12:00:00Z",
        "hours": 3,
        "late": 0.1,
        "clock_skew_seconds": 5,
    }
    assert validate(**dag_params.parse(values, "run")) == RunConfig(
        scenario="flash_sale", seed=0, start=NOON_MS, hours=3, faults=Faults(late=0.1, clock_skew_seconds=5)
    )
    with pytest.raises(UserError, match="start 'noon'"):
        dag_params.parse({**values, "start": "noon"}, "run")
    for invalid in ({"start": "0001-01-01T00:00:00+23:59", "hours": None}, {"end": "2026-01-02T00:00:00Z"}):
        with pytest.raises(UserError, match=r"give a time from 1971|give at most two"):
            dag_params.parse({**values, **invalid}, "run")


def test_the_form_has_every_limit() -> None:
    fields = dag_params.form_fields()
    for name, limit in LIMITS.items():
        assert (fields[name]["minimum"], fields[name]["maximum"]) == limit[:2]


@pytest.mark.parametrize(
    ("options", "clock", "expected"),
    [
        ({}, None, (-24, 0)),
        ({}, -0.1, (-0.1, 0)),
        ({}, -72, (-24, 0)),
        ({}, 5, (5, 5 + 1 / 3600)),
        ({"hours": 168}, None, (-168, 0)),
        ({"hours": 2}, -3, (-2, 0)),
        ({"start": 1}, None, (1, 1 + 1 / 3600)),
        ({"start": -9, "hours": 4}, -10, (-9, -5)),
        ({"end": -1, "hours": 4}, None, (-5, -1)),
        ({"end": -1}, None, (-25, -1)),
        ({"start": -9, "end": -1}, -9, (-9, -1)),
        ({"pace": "real time"}, -3, (0, 1 / 6)),
        ({"pace": "real time", "hours": 0.5}, None, (0, 0.5)),
    ],
)
def test_the_period_follows_from_the_config_and_the_shops_clock(
    options: dict[str, Any], clock: float | None, expected: tuple[float, float]
) -> None:
    """All times in hours from now."""
    times = {name: NOON_MS + options[name] * HOUR_MS for name in ("start", "end") if name in options}
    period = resolve_period(
        RunConfig(**{**options, **times}), None if clock is None else NOON_MS + int(clock * HOUR_MS), NOON_MS
    )
    assert period == tuple(NOON_MS + int(hours * HOUR_MS) for hours in expected)


@pytest.mark.parametrize("options", [{"start": -2}, {"end": -1}, {"hours": 168}, {"start": -3, "hours": 5}])
def test_the_past_cannot_be_simulated_twice(options: dict[str, float]) -> None:
    times = {
        name: NOON_MS + int(hours * HOUR_MS) if name != "hours" else hours for name, hours in options.items()
    }
    with pytest.raises(UserError, match="up to 2026-01-01T12:00:00"):
        resolve_period(RunConfig(**times), NOON_MS, NOON_MS)  # type: ignore[arg-type]


def test_real_time_is_rejected_if_the_shops_clock_is_ahead() -> None:
    with pytest.raises(UserError, match="ahead of the system clock, at 2026-01-01T13:00:00"):
        resolve_period(RunConfig(pace="real time"), NOON_MS + HOUR_MS, NOON_MS)


def test_a_real_time_run_sends_no_event_before_its_time() -> None:
    run = begin_run(State(), "run", validate(sessions=50, pace="real time", hours=0.001))
    sent = [
        (datetime.now(UTC), chunk.batch.rows["event_time"].to_pylist())
        for chunk in remaining_chunks(State(), run, 1000)
    ]
    assert len(sent) >= 3
    assert all(time <= at for at, times in sent for time in times)
    assert all(at - time < timedelta(seconds=60) for at, times in sent for time in times)
    assert run.done == 50
    assert datetime.now(UTC) >= to_datetime(run.end)


def test_sessions_per_day_scale_with_the_period_and_the_scenario() -> None:
    week = {"start": NOON, "end": NOON + 168 * HOUR, "sessions_per_day": 1000}
    normal = begin_run(State(), "run", validate(**week)).sessions
    assert normal == pytest.approx(7000, rel=0.02)
    assert begin_run(State(), "run", validate(**week, scenario="slow_week")).sessions == pytest.approx(
        0.45 * normal, rel=0.001
    )
    with pytest.raises(UserError, match="sessions_per_day 1000000 makes 4"):
        begin_run(
            State(), "run", validate(start=NOON, end=NOON + 366 * 24 * HOUR, sessions_per_day=1_000_000)
        )


def state_with_unfinished_run(config: RunConfig) -> State:
    return State(Shop(opened=5, clock=7), {"run": Run("run", config, 10, 5, 9, done=4)})


def test_a_run_is_resumed() -> None:
    state = state_with_unfinished_run(validate(sessions=10, seed=1))
    assert begin_run(state, "run", validate(sessions=10, seed=1)) is state.runs["run"]


def test_a_run_is_resumed_despite_microseconds_in_its_period() -> None:
    options = {
        "start": NOON + timedelta(microseconds=123_456),
        "end": NOON + timedelta(hours=1, microseconds=7),
    }
    assert begin_run(state_with_unfinished_run(validate(**options)), "run", validate(**options)).done == 4
    assert to_datetime(validate(**options).start or 0) == NOON + timedelta(milliseconds=123)


def test_a_run_is_not_resumed_with_other_parameters() -> None:
    with pytest.raises(
        UserError, match=r"run run began with scenario normal_day, sessions 10, seed 2, .*late 0.1"
    ):
        begin_run(
            state_with_unfinished_run(validate(sessions=10, seed=2, faults=Faults(late=0.1))),
            "run",
            validate(sessions=10, seed=1),
        )
