"""The one reading of a time, and the limits that the times of an event must keep.

**Reading.** A time is RFC 3339 text. Its instant is in UTC, truncated to milliseconds: digits of the fraction
after the third are dropped, never rounded, so a time stays on its day.

**Limits.** An event lies neither before `SHOPNOW_EARLIEST_EVENT_DATE` nor further after the record's
timestamp, which the broker sets, than `SHOPNOW_EVENT_TIME_SKEW_SECONDS`: beyond that the producer's clock is
wrong. A promise lies at most `MAX_PROMISE` after its event.
"""

import re
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import NamedTuple

import msgspec

from shopnow.events import Event
from shopnow.settings import Settings

MAX_PROMISE = timedelta(days=3653)
"""How far after its event a delivery may be promised."""

_EXTRA_DIGITS = re.compile(r"(\.\d{3})\d+")


class TimeLimits(NamedTuple):
    """The limits of event times."""

    earliest: datetime
    skew: timedelta


class _Texts(msgspec.Struct):
    """The times of a valid event as text."""

    event_time: str
    promised_at: str | None = None


_decode_texts = msgspec.json.Decoder(_Texts).decode


@cache
def configured_limits() -> TimeLimits:
    """Return the limits of the settings."""
    settings = Settings.load()
    return TimeLimits(
        datetime.combine(settings.earliest_event_date, time(), UTC),
        timedelta(seconds=settings.event_time_skew_seconds),
    )


def canonical_times(payload: bytes, event: Event) -> dict[str, datetime]:
    """Return the canonical times of a valid event by field.

    Args:
        payload: the JSON that the event was decoded from.

    Raises:
        OverflowError: the field of this name is not between the years 1 and 9999 in UTC.
    """
    source, read = (_decode_texts(payload), parse) if _may_be_rounded(payload) else (event, truncate)
    times = {}
    for name in _Texts.__struct_fields__:
        if (value := getattr(source, name, None)) is not None:
            try:
                times[name] = read(value)
            except OverflowError:
                raise OverflowError(name) from None
    return times


def canonical_time(payload: bytes, event_time: datetime) -> datetime:
    """Return the canonical event time of a valid event; arguments as of `canonical_times`."""
    return parse(_decode_texts(payload).event_time) if _may_be_rounded(payload) else truncate(event_time)


def _may_be_rounded(payload: bytes) -> bool:
    """Return whether the decoder, which rounds to microseconds, may have changed a time's milliseconds."""
    # That takes a fraction with three nines, unless they are escaped.
    return b"999" in payload or b"\\" in payload


def parse(text: str) -> datetime:
    """Parse an RFC 3339 time."""
    return truncate(msgspec.convert(_EXTRA_DIGITS.sub(r"\1", text), datetime))


def truncate(at: datetime) -> datetime:
    """Return the time in UTC, truncated to milliseconds."""
    return at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)


def problem_of_times(
    event_time: datetime, promised_at: datetime | None, received: datetime, limits: TimeLimits
) -> str | None:
    """Return why the canonical times of an event exceed the limits; None if they do not.

    Args:
        received: the record's timestamp.
    """
    latest = received + limits.skew
    if event_time > latest:
        return (
            f"out of range: event_time ({_text(event_time)}; at most {_text(latest)}, which is "
            f"{limits.skew.total_seconds():g} s after the record's timestamp)"
        )
    for name, at in (("event_time", event_time), ("promised_at", promised_at)):
        if at is not None and at < limits.earliest:
            return f"out of range: {name} ({_text(at)}; at least {_text(limits.earliest)})"
    if promised_at is not None and promised_at - event_time > MAX_PROMISE:
        return (
            f"out of range: promised_at ({_text(promised_at)}; at most {MAX_PROMISE.days} days after "
            f"event_time {_text(event_time)})"
        )
    return None


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
