"""Parameters of the DAG generate_traffic: the form as JSON Schema, and the parsing of its values."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

from shopnow.errors import UserError
from shopnow.traffic import scenarios
from shopnow.traffic.run_config import (
    FULL_SPEED,
    LIGHT_SESSIONS,
    LIMITS,
    REAL_TIME,
    REAL_TIME_HOURS,
    REAL_TIME_MINUTES,
    Faults,
    validate,
)

_FAULTS = Faults.__struct_fields__
_CLOCK_TOLERANCE = timedelta(minutes=1)


def _number(name: str, title: str, description: str, **options: Any) -> dict[str, Any]:
    limit = LIMITS[name]
    kind = "integer" if limit.is_integer else "number"
    type_ = kind if options.get("default") is not None else ["null", kind]
    limits = {"type": type_, "minimum": limit.minimum, "maximum": limit.maximum}
    return {"default": None, "title": title, "description": description, **limits, **options}


def _share(name: str, title: str, description: str) -> dict[str, Any]:
    return _number(name, title, description, default=0.0, section="Injected faults")


def _time(title: str, description: str) -> dict[str, Any]:
    return {
        "default": None,
        "type": ["null", "string"],
        "format": "date-time",
        "title": title,
        "description": description,
        "section": "Period",
    }


def form_fields() -> dict[str, dict[str, Any]]:
    """Return the form fields by name, in display order."""
    all_scenarios = scenarios.load()
    return {
        "scenario": {
            "default": scenarios.NORMAL,
            "type": "string",
            "enum": list(all_scenarios),
            "values_display": {scenario.name: scenario.title for scenario in all_scenarios.values()},
            "title": "Scenario",
            "description_md": "Kind of traffic.\n\n"
            + "\n".join(
                f"- **{scenario.title}**: {scenario.description}" for scenario in all_scenarios.values()
            ),
        },
        "sessions": _number(
            "sessions",
            "Sessions",
            "Sessions to simulate, about seven events each. "
            f"Default: {LIGHT_SESSIONS}, or by sessions per day.",
        ),
        "sessions_per_day": _number(
            "sessions_per_day",
            "Sessions per day",
            "Alternative to sessions: sessions on an average day, multiplied by the scenario.",
        ),
        "seed": _number(
            "seed",
            "Seed",
            "Seed of the random numbers; it makes runs reproducible. Default: derived from the run id.",
        ),
        "pace": {
            "default": FULL_SPEED,
            "type": "string",
            "enum": [FULL_SPEED, REAL_TIME],
            "title": "Pace",
            "description": f"A real-time run lasts {REAL_TIME_MINUTES} minutes, or the given hours, "
            f"at most {REAL_TIME_HOURS.maximum}.",
        },
        "start": _time(
            "Start", "Start of the simulated period. Default: end of the last run, at most 24 hours ago."
        ),
        "end": _time("End", "End of the simulated period. Default: now."),
        "hours": _number(
            "hours",
            "Hours",
            "Duration, instead of start or end: 24 is a day, 168 a week, 672 four weeks.",
            section="Period",
        ),
        "late": _share("late", "Late", "Share of events sent ten minutes to three days late."),
        "out_of_order": _share(
            "out_of_order",
            "Out of order",
            "Share of events sent up to two minutes late, so that later events overtake them.",
        ),
        "duplicate": _share("duplicate", "Duplicates", "Share of events sent a second time within a minute."),
        "malformed": _share(
            "malformed",
            "Malformed",
            "Share of events sent as invalid records, which are quarantined. Landing stops at a quarter.",
        ),
        "schema_v1": _share("schema_v1", "Schema version 1", "Share of events in the older schema version."),
        "clock_skew_seconds": _share(
            "clock_skew_seconds",
            "Clock skew (s)",
            "Maximum deviation of the clocks that stamp the events.",
        ),
    }


def parse(params: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """Convert the DAG params to arguments of `shopnow.traffic.generate.generate`.

    Raises:
        UserError: a param is invalid, or params contradict each other.
    """
    options = {name: value for name, value in params.items() if name not in _FAULTS}
    for name in ("start", "end"):
        options[name] = _parse_time(name, options.get(name))
    _check_end(options["end"], options["start"], options.get("hours"))
    seed = options.get("seed")
    options["seed"] = crc32(run_id.encode()) if seed is None else seed
    options["faults"] = Faults(**{name: params[name] for name in _FAULTS if name in params})
    validate(**options)
    return options


def _check_end(end: datetime | None, start: datetime | None, hours: float | None) -> None:
    """Check that the period, if it has a given end, does not end in the future."""
    if end is None and start is not None and hours:
        end = start + timedelta(hours=hours)
    if end is not None and end.tzinfo is not None and end > datetime.now(UTC) + _CLOCK_TOLERANCE:
        raise UserError(
            f"end {end.isoformat()} is after now: give a time up to now, as later events are quarantined"
        )


def _parse_time(name: str, time: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(time) if time else None
    except ValueError:
        raise UserError(f"{name} {time!r}: give a time such as 2026-11-24T18:00:00+00:00") from None
