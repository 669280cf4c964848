"""Validation of records against the event definitions; its result is the `problem` column of the raw tables.

A problem is `reason` or `reason (detail)`. Reasons are few, so that records can be counted by them:
`missing field: order_id`, `invalid JSON (invalid character, byte 4)`, `not JSON: gzip (…)`, …

A valid record is read by everybody as the same event: what another reader would take differently is
either brought into its canonical form, which landing stores as its payload, or is a problem.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopnow import event_rules, events, screening
from shopnow.canonical import canonical
from shopnow.event_times import TimeLimits, canonical_time, configured_limits
from shopnow.events import Event
from shopnow.framing import Header, unframe
from shopnow.record_problems import check_sizes, describe, unreadable

Decode = Callable[[bytes], Event]


class CheckResult(NamedTuple):
    """Result of checking some records.

    `problems` has a problem or None for each record, and is None if all are valid. `payloads` has, for each
    valid record whose value is not itself the JSON of its event in canonical form, that JSON; it is None if
    no record has one. The event times are those of the valid records, None if there are none.
    """

    problems: list[str | None] | None
    payloads: list[bytes | None] | None
    first_event: datetime | None
    last_event: datetime | None


class CheckedRecord(NamedTuple):
    """Result of checking a record: its event with canonical values, or its problem; see `CheckResult`."""

    event: Event | None = None
    payload: bytes | None = None
    problem: str | None = None


def check_records(
    decode: Decode,
    values: Sequence[bytes | None],
    column: pa.Array,
    headers: Sequence[Sequence[Header] | None] | None = None,
    timestamps: Sequence[int] | np.ndarray | None = None,
) -> CheckResult:
    """Check records against their topic's event types.

    Args:
        decode: decoder of the topic, see `shopnow.events.Topic.decoder`.
        values: the record values.
        column: the same values as an Arrow binary array, on which some checks are far cheaper.
        headers: the headers of each record; by default they have none.
        timestamps: the timestamp of each record, ms since 1970; by default now. A later one counts as now.
    """
    if not len(values):
        return CheckResult(None, None, None, None)
    received, limits = _received(timestamps, len(values)), configured_limits()
    problems: list[str | None] = [None] * len(values)
    payloads: list[bytes | None] = [None] * len(values)
    suspects, span = _screen(decode, values, column, received, limits)
    spans = [] if span is None else [span]
    for index in suspects:
        of_record = headers[index] if headers else None
        record = _check(decode, values[index], of_record, _datetime(received[index]), limits)
        problems[index], payloads[index] = record.problem, record.payload
        if record.event is not None:
            spans.append((record.event.event_time, record.event.event_time))
    return CheckResult(
        problems if any(problems) else None,
        payloads if any(payloads) else None,
        min((first for first, _ in spans), default=None),
        max((last for _, last in spans), default=None),
    )


def check_record(
    decode: Decode,
    value: bytes | None,
    headers: Sequence[Header] | None = None,
    timestamp: int | None = None,
) -> CheckedRecord:
    """Check one record; see `check_records`."""
    received = _received(None if timestamp is None else [timestamp], 1)[0]
    return _check(decode, value, headers, _datetime(received), configured_limits())


def read_valid(decode: Decode, payload: bytes) -> Event:
    """Return the event of a valid record of the lake, with its canonical values.

    Args:
        payload: the record's correction, or else its payload, or else its value.
    """
    return canonical(decode(payload), payload)


def reason_of(problem: str) -> str:
    """Return the problem without its detail."""
    return problem.split(" (", 1)[0]


def field_of(problem: str) -> str | None:
    """Return the invalid field, such as `items[].quantity`; None if the problem is not about one field."""
    kind, _, name = reason_of(problem).partition(": ")
    if kind == "unknown event type":
        return "event_type"
    return None if name in {"", "record"} or kind == "not JSON" else name


def count_reasons(columns: Iterable[pa.Array]) -> Counter[str]:
    """Count records by reason, given `problem` columns."""
    counts: Counter[str] = Counter()
    for column in columns:
        for entry in pc.value_counts(column.drop_null()).to_pylist():
            counts[reason_of(entry["values"])] += entry["counts"]
    return counts


def _received(timestamps: Sequence[int] | np.ndarray | None, count: int) -> np.ndarray:
    """Return when each record was received, ms since 1970: its timestamp, but never after now."""
    now = time.time_ns() // 1_000_000
    if timestamps is None:
        return np.full(count, now, np.int64)
    stamps = np.asarray(timestamps, np.int64)
    return np.where(stamps < 0, now, np.minimum(stamps, now))


def _screen(
    decode: Decode,
    values: Sequence[bytes | None],
    column: pa.Array,
    received: np.ndarray,
    limits: TimeLimits,
) -> tuple[set[int], tuple[datetime, datetime] | None]:
    """Return the indices of the records that need the full check, and the time span of the others."""
    screen = screening.EventScreen()
    undecodable: list[int] = []
    for start in range(0, len(values), screening.EVENTS_AT_ONCE):
        part = values[start : start + screening.EVENTS_AT_ONCE]
        try:
            decoded = list(map(decode, part))  # type: ignore[arg-type]
        except Exception:  # whatever a record's bytes cause, it must only affect that record
            decoded = []
            for index, value in enumerate(part, start):
                try:
                    decoded.append(decode(value))  # type: ignore[arg-type]
                except Exception:
                    undecodable.append(index)
        if decoded:
            screen.add(decoded)
    suspects = screening.unusual_values(values, column).union(undecodable)
    if len(undecodable) == len(values):
        return suspects, None
    times, indices = screen.times, np.delete(np.arange(len(values)), undecodable)
    ends = min(times), max(times)
    suspects.update(indices[list(screen.unusual(ends, received[indices], limits))].tolist())
    if not suspects:
        return suspects, _span(times, values, ends)
    plain = [position for position, index in enumerate(indices.tolist()) if index not in suspects]
    if not plain:
        return suspects, None
    times, plain_values = (
        [times[position] for position in plain],
        [values[indices[position]] for position in plain],
    )
    return suspects, _span(times, plain_values, (min(times), max(times)))


def _check(
    decode: Decode,
    value: bytes | None,
    headers: Sequence[Header] | None,
    received: datetime,
    limits: TimeLimits,
) -> CheckedRecord:
    try:
        return _check_here(decode, value, headers, received, limits)
    except RecursionError:
        # The caller's stack is almost full; what is valid does not depend on that.
        with ThreadPoolExecutor(1) as pool:
            try:
                return pool.submit(_check_here, decode, value, headers, received, limits).result()
            except RecursionError as error:
                return CheckedRecord(problem=unreadable(error))


def _check_here(
    decode: Decode,
    value: bytes | None,
    headers: Sequence[Header] | None,
    received: datetime,
    limits: TimeLimits,
) -> CheckedRecord:
    body = value or b""
    try:
        body = check_sizes(unframe(check_sizes(value), headers))  # base64 hides the sizes of its content
        body.decode()
        event = canonical(read := decode(body), body)
        if problem := event_rules.problem_of(event, received, limits):
            return CheckedRecord(problem=problem)
        if body is value and _is_read_alike(read, event):
            return CheckedRecord(event)
        payload = events.encode(event)
        decode(payload)  # text may be longer in its normal form
        return CheckedRecord(event, payload)
    except RecursionError:
        raise
    except Exception as error:
        return CheckedRecord(problem=_describe(error, body))


def _describe(error: Exception, body: bytes) -> str:
    """Return the problem of a record; whatever its bytes cause here must not stop the others."""
    try:
        return describe(error, body)
    except RecursionError:
        raise
    except Exception:
        return unreadable(error)


def _is_read_alike(read: Event, event: Event) -> bool:
    """Return whether all readers of the JSON get the canonical event, as each of them truncates times."""
    times = {name: getattr(event, name) for name in ("event_time", "promised_at") if hasattr(event, name)}
    return all(
        getattr(read, name) == value
        for name in event.__struct_fields__
        if name not in times and (value := getattr(event, name)) is not None
    )


def _span(
    times: list[datetime], values: Sequence[bytes | None], ends: tuple[datetime, datetime]
) -> tuple[datetime, datetime]:
    """Return the first and the last canonical time of events that were decoded from these values.

    Args:
        ends: the first and the last of the times as decoded.
    """
    return min(_exact(ends[0], times, values)), max(_exact(ends[1], times, values))


def _exact(end: datetime, times: list[datetime], values: Sequence[bytes | None]) -> Iterator[datetime]:
    """Yield the canonical times of the events whose time is `end` as decoded, which may be rounded up."""
    index = -1
    with suppress(ValueError):
        while True:
            index = times.index(end, index + 1)
            value = values[index] or b""
            yield canonical_time(value, end)


def _datetime(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
