"""Validation of records against the event definitions; its result is the `problem` column of the raw tables.

A problem is `reason` or `reason (detail)`. Reasons are few, so that records can be counted by them:
`missing field: order_id`, `invalid JSON (invalid character, byte 4)`, `too large (2097152 bytes)`, …
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from shopnow.events import Event

MAX_EVENT_BYTES = 1 << 20

Decode = Callable[[bytes], Event]

# Spark's JSON parser rejects a record with a longer number or name in any field, even an unknown one.
_MAX_NUMBER_LENGTH, _MAX_NAME_LENGTH = 1000, 50_000
_LONG_NUMBER = re.compile(rb"[:,\[\s][-+0-9.eE]{%d}" % _MAX_NUMBER_LENGTH)
_LONG_NAME = re.compile(rb'"(?:[^"\\]|\\.){%d,}"\s*:' % _MAX_NAME_LENGTH, re.DOTALL)

_FIELD = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(.*)`$")
_POSITION = re.compile(r" \((byte \d+)\)$")
_INDEX = re.compile(r"\[(\d+|\.\.\.)\]")


class CheckResult(NamedTuple):
    """Result of checking some records.

    `problems` has a problem or None for each record, and is None if all are valid. The event times are those
    of the valid records, None if there are none.
    """

    problems: list[str | None] | None
    first_event: datetime | None
    last_event: datetime | None


def check_records(decode: Decode, values: Sequence[bytes | None], column: pa.Array) -> CheckResult:
    """Check records against their topic's event types.

    Args:
        decode: decoder of the topic, see `shopnow.events.Topic.decoder`.
        values: the record values.
        column: the same values as an Arrow binary array, on which some checks are far cheaper.
    """
    try:
        # The decoder does not check the UTF-8 of the strings it skips, those of unknown fields.
        column.cast(pa.string())
        _check_sizes(column)
        return CheckResult(None, *_span([event.event_time for event in map(decode, values)]))  # type: ignore[arg-type]
    except Exception:  # whatever a record's bytes cause, it must only affect that record
        return _one_by_one(decode, values)


def reason_of(problem: str) -> str:
    """Return the problem without its detail."""
    return problem.split(" (", 1)[0]


def field_of(problem: str) -> str | None:
    """Return the invalid field, such as `items[].quantity`; None if the problem is not about one field."""
    kind, _, name = reason_of(problem).partition(": ")
    if kind == "unknown event type":
        return "event_type"
    return None if name in {"", "record"} else name


def count_reasons(columns: Iterable[pa.Array]) -> Counter[str]:
    """Count records by reason, given `problem` columns."""
    counts: Counter[str] = Counter()
    for column in columns:
        for entry in pc.value_counts(column.drop_null()).to_pylist():
            counts[reason_of(entry["values"])] += entry["counts"]
    return counts


def _one_by_one(decode: Decode, values: Sequence[bytes | None]) -> CheckResult:
    problems: list[str | None] = []
    times = []
    for value in values:
        try:
            times.append(_event_time(decode, value))
            problems.append(None)
        except Exception as error:
            problems.append(_describe(error, value))
    return CheckResult(problems if any(problems) else None, *_span(times))


class _InvalidRecord(ValueError):
    """A record that fails a check of this module; the text is the problem."""


def _event_time(decode: Decode, value: bytes | None) -> datetime:
    if value is None:
        raise _InvalidRecord("no value")
    if not value:
        raise _InvalidRecord("empty value")
    if len(value) > MAX_EVENT_BYTES:
        raise _InvalidRecord(f"too large ({len(value)} bytes)")
    value.decode()
    time = decode(value).event_time
    _check_lengths(value)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise _InvalidRecord("out of range: event_time") from None


def _check_sizes(column: pa.Array) -> None:
    lengths = pc.binary_length(column)
    longest = pc.max(lengths).as_py() or 0
    if column.null_count or longest > MAX_EVENT_BYTES:
        raise _InvalidRecord
    if longest > _MAX_NUMBER_LENGTH:
        for value in column.filter(pc.greater(lengths, _MAX_NUMBER_LENGTH)).to_pylist():
            _check_lengths(value)


def _check_lengths(value: bytes) -> None:
    if len(value) > _MAX_NUMBER_LENGTH and _LONG_NUMBER.search(value):
        raise _InvalidRecord(f"number too long (over {_MAX_NUMBER_LENGTH} characters)")
    if len(value) > _MAX_NAME_LENGTH and _LONG_NAME.search(value):
        raise _InvalidRecord(f"field name too long (over {_MAX_NAME_LENGTH} bytes)")


def _span(times: list[datetime]) -> tuple[datetime | None, datetime | None]:
    if not times:
        return None, None
    return min(times).astimezone(UTC), max(times).astimezone(UTC)


def _describe(error: Exception, value: bytes | None) -> str:
    match error:
        case _InvalidRecord():
            return str(error)
        case UnicodeDecodeError():
            return f"invalid UTF-8 (byte {error.start})"
        case RecursionError():
            return "invalid JSON (nested too deep)"
        case msgspec.ValidationError():
            return _invalid(str(error))
        case msgspec.DecodeError():
            return _malformed(str(error))
    return f"unreadable ({type(error).__name__})"


def _malformed(message: str) -> str:
    detail = _POSITION.sub(r", \1", message.removeprefix("JSON is malformed: "))
    return f"invalid JSON ({detail[0].lower()}{detail[1:]})"


def _invalid(message: str) -> str:
    match_ = _FIELD.match(message)
    what, path = (match_["what"], match_["path"]) if match_ else (message, None)
    field = _INDEX.sub("[]", path) if path else "record"
    if missing := _MISSING.match(what):
        return f"missing field: {missing[1] if field == 'record' else f'{field}.{missing[1]}'}"
    detail = what[0].lower() + what[1:200].replace("`", "")
    if field == "event_type" and what.startswith("Invalid value"):
        return f"unknown event type ({detail.removeprefix('invalid value ')})"
    if ", got " in what or field == "event_type":
        return f"wrong type: {field} ({detail})"
    return f"invalid value: {field} ({detail})"
