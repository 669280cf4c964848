"""What a run of the generator can be asked for, and the limits of it: the form, the API and the library all mean these."""

from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec

from shopnow.errors import UserError
from shopnow.traffic import scenarios
from shopnow.traffic.arrivals import DAY, HOUR

LIGHT_SESSIONS = 20
"""How many sessions a run has that asks for no number."""
REAL_TIME_MINUTES = 10
"""How long a run in real time lasts that does not say."""

_AHEAD = 60_000
"""By how many ms the shop's clock may be ahead of ours for a run in real time."""

FULL_SPEED, REAL_TIME = "full speed", "real time"
Pace = Literal["full speed", "real time"]


class Limit(NamedTuple):
    """A number's least and greatest value, whether it has to be whole, and what it is called in words."""

    least: float
    most: float
    whole: bool


SHARE = Limit(0, 0.5, whole=False)
LIMITS: dict[str, Limit] = {
    "sessions": Limit(1, 10_000_000, whole=True),
    "sessions_per_day": Limit(1, 1_000_000, whole=True),
    "hours": Limit(0.001, 366 * 24, whole=False),
    "seed": Limit(0, 2**63 - 1, whole=True),
    "late": SHARE,
    "duplicate": SHARE,
    "out_of_order": SHARE,
    # Landing stops when a quarter of the records of a run are no events.
    "malformed": Limit(0, 0.2, whole=False),
    "schema_v1": Limit(0, 1, whole=False),
    "clock_skew_seconds": Limit(0, 3600, whole=False),
}
REAL_TIME_HOURS = Limit(0.001, 0.5, whole=False)


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What is to go wrong with the records: shares of events, of which each meets one fault at most."""

    late: float = 0.0
    duplicate: float = 0.0
    out_of_order: float = 0.0
    malformed: float = 0.0
    schema_v1: float = 0.0
    """Share of events that are of schema version 1; not a fault of theirs, so on top of the others."""
    clock_skew_seconds: float = 0.0
    """By how much the clocks of the servers that stamp the events are off at most, either way."""


NO_FAULTS = Faults()


class RunConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was asked for. Times are ms since 1970."""

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
    """These params, found to be as they should.

    Raises:
        UserError: one is not; says in one line which, and what to give instead.
    """
    given = {name: value for name, value in params.items() if value is not None}
    if unknown := given.keys() - set(RunConfig.__struct_fields__):
        raise UserError(
            f"{min(unknown)}: there is no such param; there are {', '.join(RunConfig.__struct_fields__)} and those of faults"
        )
    scenarios.scenario(given.get("scenario", scenarios.NORMAL))
    if given.get("pace", FULL_SPEED) not in {FULL_SPEED, REAL_TIME}:
        raise UserError(f"pace {given['pace']!r}: give {FULL_SPEED!r} or {REAL_TIME!r}")
    for name, value in {**given, **msgspec.structs.asdict(faults)}.items():
        if name in LIMITS:
            _check_number(name, value, LIMITS[name])
    if sum(getattr(faults, name) for name in ("late", "duplicate", "out_of_order", "malformed")) > 1:
        raise UserError(
            "late, duplicate, out_of_order and malformed: give shares of at most 1 together, an event meets only one of them"
        )
    if "sessions" in given and "sessions_per_day" in given:
        raise UserError("sessions and sessions_per_day: give one of them")
    _check_period(start, end, given.get("hours"), given.get("pace"))
    return RunConfig(**given, faults=faults, start=_milliseconds(start), end=_milliseconds(end))


def _check_number(name: str, value: object, limit: Limit) -> None:
    kinds = int if limit.whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds) or not limit.least <= value <= limit.most:
        raise UserError(
            f"{name} {value!r}: give a {'whole ' if limit.whole else ''}number from {limit.least} to {limit.most}"
        )


def _check_period(
    start: datetime | None, end: datetime | None, hours: float | None, pace: str | None
) -> None:
    for name, given in (("start", start), ("end", end)):
        if given and given.tzinfo is None:
            raise UserError(f"{name} {given.isoformat()}: add its time zone, as in {given.isoformat()}+00:00")
        if given and not datetime(1971, 1, 1, tzinfo=UTC) <= given <= datetime(2200, 1, 1, tzinfo=UTC):
            raise UserError(f"{name} {given.isoformat()}: give a time from 1971 to 2200")
    if start and end and hours:
        raise UserError("start, end and hours: give two of them at most")
    if start and end and start >= end:
        raise UserError(f"start {start.isoformat()}: is not before the end, {end.isoformat()}")
    if start and end and (end - start).total_seconds() > LIMITS["hours"].most * 3600:
        raise UserError(
            f"start {start.isoformat()}: is more than a year before the end, {end.isoformat()}; make several runs of it"
        )
    if pace == REAL_TIME and (start or end):
        raise UserError("pace 'real time': leave start and end empty, it begins now")
    if pace == REAL_TIME and hours:
        _check_number("pace 'real time', hours", hours, REAL_TIME_HOURS)


def resolve_period(asked: RunConfig, clock: int | None, now: int) -> tuple[int, int]:
    """Start and end, in ms, of what a run simulates, in a shop whose clock is there; None: a new shop.

    Raises:
        UserError: the shop has already lived through that.
    """
    lived = clock or 0
    if asked.pace == REAL_TIME:
        if lived > now + _AHEAD:
            ahead = datetime.fromtimestamp(lived / 1000, UTC).isoformat()
            raise UserError(
                f"the shop's clock is ahead of ours, at {ahead}: real time can begin then; until then use full speed"
            )
        start = max(now, lived)
        end = start + int((asked.hours or REAL_TIME_MINUTES / 60) * HOUR)
    elif asked.hours:
        end = asked.end or (asked.start + int(asked.hours * HOUR) if asked.start else now)
        start = asked.start or end - int(asked.hours * HOUR)
    else:
        start = asked.start or max(lived, (asked.end or now) - DAY)
        end = asked.end or max(now, start + 1000)
    if start < lived or end <= start:
        raise UserError(
            f"the shop has already lived through the time up to {datetime.fromtimestamp(lived / 1000, UTC).isoformat()}: choose a start "
            "after that, or no period; for history before that begin a new shop, SHOPNOW_TRAFFIC=off with another SHOPNOW_DATA_DIR"
        )
    return start, end


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp() * 1000)
