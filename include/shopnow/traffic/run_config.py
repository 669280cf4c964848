"""Configuration of a generator run and its validation, shared by the DAG form, the API and the library."""

from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec

from shopnow.errors import UserError
from shopnow.traffic import scenarios
from shopnow.traffic.arrivals import DAY, HOUR

LIGHT_SESSIONS = 20
"""Default number of sessions of a run."""
REAL_TIME_MINUTES = 10
"""Default duration of a real-time run."""

_MAX_CLOCK_LEAD_MS = 60_000
"""How far the shop's clock may be ahead of the system clock for a real-time run."""

FULL_SPEED, REAL_TIME = "full speed", "real time"
Pace = Literal["full speed", "real time"]


class Limit(NamedTuple):
    """Range of a numeric parameter."""

    minimum: float
    maximum: float
    is_integer: bool


SHARE = Limit(0, 0.5, is_integer=False)
LIMITS: dict[str, Limit] = {
    "sessions": Limit(1, 10_000_000, is_integer=True),
    "sessions_per_day": Limit(1, 1_000_000, is_integer=True),
    "hours": Limit(0.001, 366 * 24, is_integer=False),
    "seed": Limit(0, 2**63 - 1, is_integer=True),
    "late": SHARE,
    "duplicate": SHARE,
    "out_of_order": SHARE,
    # Below a quarter, the default share of invalid records above which landing stops.
    "malformed": Limit(0, 0.2, is_integer=False),
    "schema_v1": Limit(0, 1, is_integer=False),
    # Below the default limit of event times, beyond which records are quarantined.
    "clock_skew_seconds": Limit(0, 240, is_integer=False),
}
REAL_TIME_HOURS = Limit(0.001, 0.5, is_integer=False)


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Faults to inject, as shares of the events; an event gets one fault at most."""

    late: float = 0.0
    duplicate: float = 0.0
    out_of_order: float = 0.0
    malformed: float = 0.0
    schema_v1: float = 0.0
    """Share of events in schema version 1, independent of the faults."""
    clock_skew_seconds: float = 0.0
    """Maximum deviation of the clocks of the servers that stamp the events, in either direction."""


NO_FAULTS = Faults()


class RunConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Validated configuration of a run; times are ms since 1970."""

    scenario: str = scenarios.NORMAL
    sessions: int | None = None
    sessions_per_day: int | None = None
    seed: int = 0
    start: int | None = None
    end: int | None = None
    hours: float | None = None
    pace: Pace = "full speed"
    faults: Faults = NO_FAULTS


def validate(
    *, start: datetime | None = None, end: datetime | None = None, faults: Faults = NO_FAULTS, **params: Any
) -> RunConfig:
    """Validate the parameters of a run; None stands for a parameter that is not given.

    Args:
        params: further fields of `RunConfig`.

    Raises:
        UserError: a parameter is unknown or invalid, or parameters contradict each other.
    """
    values = {name: value for name, value in params.items() if value is not None}
    if unknown := values.keys() - set(RunConfig.__struct_fields__):
        raise UserError(
            f"unknown parameter {min(unknown)}: expected one of {', '.join(RunConfig.__struct_fields__)}"
        )
    scenarios.scenario(values.get("scenario", scenarios.NORMAL))
    if values.get("pace", FULL_SPEED) not in {FULL_SPEED, REAL_TIME}:
        raise UserError(f"pace {values['pace']!r}: give {FULL_SPEED!r} or {REAL_TIME!r}")
    for name, value in {**values, **msgspec.structs.asdict(faults)}.items():
        if name in LIMITS:
            _check_number(name, value, LIMITS[name])
    if sum(getattr(faults, name) for name in ("late", "duplicate", "out_of_order", "malformed")) > 1:
        raise UserError(
            "late, duplicate, out_of_order and malformed: give shares of at most 1 together, "
            "as an event gets only one of them"
        )
    if "sessions" in values and "sessions_per_day" in values:
        raise UserError("sessions and sessions_per_day: give only one of them")
    _check_period(start, end, values.get("hours"), values.get("pace"))
    return RunConfig(**values, faults=faults, start=_milliseconds(start), end=_milliseconds(end))


def _check_number(name: str, value: object, limit: Limit) -> None:
    types = int if limit.is_integer else int | float
    if isinstance(value, bool) or not isinstance(value, types) or not limit.minimum <= value <= limit.maximum:
        kind = "whole number" if limit.is_integer else "number"
        raise UserError(f"{name} {value!r}: give a {kind} from {limit.minimum} to {limit.maximum}")


def _check_period(
    start: datetime | None, end: datetime | None, hours: float | None, pace: str | None
) -> None:
    for name, time in (("start", start), ("end", end)):
        if time and time.tzinfo is None:
            raise UserError(f"{name} {time.isoformat()}: add its time zone, as in {time.isoformat()}+00:00")
        if time and not datetime(1971, 1, 1, tzinfo=UTC) <= time <= datetime(2200, 1, 1, tzinfo=UTC):
            raise UserError(f"{name} {time.isoformat()}: give a time from 1971 to 2200")
    if start and end and hours:
        raise UserError("start, end and hours: give at most two of them")
    if start and end and start >= end:
        raise UserError(
            f"start {start.isoformat()} is not before end {end.isoformat()}: give an earlier start"
        )
    if start and end and (end - start).total_seconds() > LIMITS["hours"].maximum * 3600:
        raise UserError(
            f"start {start.isoformat()} is more than a year before end {end.isoformat()}: "
            "split the period into several runs"
        )
    if pace == REAL_TIME and (start or end):
        raise UserError("pace 'real time': leave start and end empty, as the run starts now")
    if pace == REAL_TIME and hours:
        _check_number("pace 'real time', hours", hours, REAL_TIME_HOURS)


def resolve_period(config: RunConfig, clock: int | None, now: int) -> tuple[int, int]:
    """Determine the period that a run simulates.

    Args:
        clock: the shop's clock in ms; None for a new shop.
        now: current time in ms.

    Returns:
        Start and end in ms.

    Raises:
        UserError: the period starts before the shop's clock, or the clock is too far ahead for real time.
    """
    earliest = clock or 0
    if config.pace == REAL_TIME:
        if earliest > now + _MAX_CLOCK_LEAD_MS:
            raise UserError(
                f"the shop's clock is ahead of the system clock, at {_isoformat(earliest)}: "
                "run in real time from then on, or use full speed"
            )
        start = max(now, earliest)
        end = start + int((config.hours or REAL_TIME_MINUTES / 60) * HOUR)
    elif config.hours:
        end = config.end or (config.start + int(config.hours * HOUR) if config.start else now)
        start = config.start or end - int(config.hours * HOUR)
    else:
        start = config.start or max(earliest, (config.end or now) - DAY)
        end = config.end or max(now, start + 1000)
    if start < earliest or end <= start:
        raise UserError(
            f"the shop has already simulated the time up to {_isoformat(earliest)}: "
            "choose a start after that, or no period; for earlier history start a new shop, "
            "SHOPNOW_TRAFFIC=off with another SHOPNOW_DATA_DIR"
        )
    return start, end


def _isoformat(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp() * 1000)
