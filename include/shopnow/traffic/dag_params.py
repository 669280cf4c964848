"""The form of `generate_traffic`: what a person can ask for, as JSON Schema with defaults, and what becomes of it."""

from collections.abc import Mapping
from datetime import datetime
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
)

_FAULTS = Faults.__struct_fields__


def _number(name: str, title: str, description: str, **more: Any) -> dict[str, Any]:
    limit = LIMITS[name]
    kind = "integer" if limit.whole else "number"
    type_ = kind if more.get("default") is not None else ["null", kind]
    limits = {"type": type_, "minimum": limit.least, "maximum": limit.most}
    return {"default": None, "title": title, "description": description, **limits, **more}


def _share(name: str, title: str, description: str) -> dict[str, Any]:
    return _number(name, title, description, default=0.0, section="Faults on purpose")


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
    """The fields by name, in the order of the form."""
    found = scenarios.load()
    return {
        "scenario": {
            "default": scenarios.NORMAL,
            "type": "string",
            "enum": list(found),
            "values_display": {each.name: each.title for each in found.values()},
            "title": "Scenario",
            "description_md": "What kind of traffic.\n\n"
            + "\n".join(f"- **{each.title}**: {each.description}" for each in found.values()),
        },
        "sessions": _number(
            "sessions",
            "Sessions",
            f"Visits to simulate, about seven events each. Empty: {LIGHT_SESSIONS}, or as many a day as below.",
        ),
        "sessions_per_day": _number(
            "sessions_per_day",
            "Sessions a day",
            "Instead: how many on an average day; the scenario multiplies that.",
        ),
        "seed": _number(
            "seed", "Seed", "Same seed and same shop, same events. Empty: taken from the run's id."
        ),
        "pace": {
            "default": FULL_SPEED,
            "type": "string",
            "enum": [FULL_SPEED, REAL_TIME],
            "title": "Pace",
            "description": f"In real time a run lasts {REAL_TIME_MINUTES} minutes, or the hours below, {REAL_TIME_HOURS.most} at most.",
        },
        "start": _time(
            "Start", "Of the period to simulate. Empty: the end of the last run, 24 hours ago at most."
        ),
        "end": _time("End", "Of the period to simulate. Empty: now."),
        "hours": _number(
            "hours",
            "Hours",
            "Instead of one of those: 24 is a day, 168 a week, 672 four weeks.",
            section="Period",
        ),
        "late": _share("late", "Late", "Share of events sent ten minutes to three days after they happened."),
        "out_of_order": _share(
            "out_of_order",
            "Out of order",
            "Share of events sent up to two minutes late, so that later ones overtake them.",
        ),
        "duplicate": _share(
            "duplicate", "Duplicates", "Share of events sent twice, the second time within a minute."
        ),
        "malformed": _share(
            "malformed",
            "Malformed",
            "Share of events sent broken; they land in quarantine. Landing stops at a quarter.",
        ),
        "schema_v1": _share("schema_v1", "Schema version 1", "Share of events in the older schema version."),
        "clock_skew_seconds": _share(
            "clock_skew_seconds",
            "Clock skew (s)",
            "By how much the clocks that stamp the events are off, at most.",
        ),
    }


def parse(filled: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """What `shopnow.traffic.generate.generate` is to be given for a form that was filled in.

    Raises:
        UserError: a time is none.
    """
    given = {name: value for name, value in filled.items() if name not in _FAULTS}
    for name in ("start", "end"):
        given[name] = _parsed(name, given.get(name))
    seed = given.get("seed")
    given["seed"] = crc32(run_id.encode()) if seed is None else seed
    return {**given, "faults": Faults(**{name: filled[name] for name in _FAULTS if name in filled})}


def _parsed(name: str, time: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(time) if time else None
    except ValueError:
        raise UserError(f"{name} {time!r}: give a time such as 2026-11-24T18:00:00+00:00") from None
