"""Canonical values: what every reader derives from a valid event, however its JSON spells it.

- times in UTC, truncated to milliseconds (`shopnow.event_times`)
- event ids in lower case: UUIDs are equal by value
- text in Unicode normal form C: é is one letter, not e and an accent
- zero without a sign
"""

import unicodedata
from datetime import UTC
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from shopnow.event_times import canonical_times
from shopnow.events import Event


def canonical(event: Event, payload: bytes) -> Event:
    """Return a valid event with its canonical values.

    Args:
        payload: the JSON that it was decoded from.

    Raises:
        OverflowError: a time is not between the years 1 and 9999 in UTC.
    """
    changes: dict[str, Any] = {
        name: at
        for name, at in canonical_times(payload, event).items()
        if at != (read := getattr(event, name)) or read.tzinfo is not UTC
    }
    if event.event_id != (lower := event.event_id.lower()):
        changes["event_id"] = lower
    if not payload.isascii() or b"\\" in payload:
        changes |= {name: text for name, text in _normalized(event).items() if name not in changes}
    if getattr(event, "progress", None) == 0:
        changes["progress"] = 0.0
    return msgspec.structs.replace(event, **changes) if changes else event


def texts(event: msgspec.Struct) -> list[tuple[str, str]]:
    """Return the texts of an event with the names of their fields, those of items as `items[].…`."""
    found = []
    for name in _fields(type(event)):
        value = getattr(event, name)
        if isinstance(value, str):
            found.append((name, value))
        elif isinstance(value, list):
            found += [(f"{name}[].{inner}", text) for item in value for inner, text in texts(item)]
    return found


def _normalized(event: msgspec.Struct) -> dict[str, Any]:
    """Return the fields whose text is not in normal form C, normalized."""
    changes: dict[str, Any] = {}
    for name in _fields(type(event)):
        value = getattr(event, name)
        if isinstance(value, str) and not unicodedata.is_normalized("NFC", value):
            changes[name] = unicodedata.normalize("NFC", value)
        elif isinstance(value, list):
            items = [_normalized(item) for item in value]
            if any(items):
                changes[name] = [
                    msgspec.structs.replace(item, **new) for item, new in zip(value, items, strict=True)
                ]
    return changes


@cache
def _fields(type_: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the names of the fields with text, and of lists of structs."""
    info = inspect.type_info(type_)
    return tuple(field.name for field in info.fields if _has_text(field.type))  # type: ignore[attr-defined]


def _has_text(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return _has_text(kind.type)
    if isinstance(kind, inspect.UnionType):
        return any(map(_has_text, kind.types))
    return isinstance(kind, inspect.StrType | inspect.ListType)
