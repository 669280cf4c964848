"""Events as JSON from byte templates: the same bytes as `shopnow.events.encode`, at a tenth of the cost.

JSON is formatted by hand here because encoding is the hot path of the simulation: one struct and one encoder
call per event would cost ten times as much. The templates are derived from the event definitions, and a test
compares their output with `encode`.

A body is the JSON of an event up to the fields common to all events; `template` builds its `%` template, with
constant fields filled in and escaped once. `tails` builds the rest for many events at once, by numpy.
"""

from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import inspect

from shopnow.events import Event
from shopnow.traffic.arrivals import DAY, HOUR

_COMMON = {field.name for field in msgspec.structs.fields(Event)}

_PARTS = (
    b'"event_id":"',
    b"00000000-0000-0000-0000-000000000000",
    b'","event_time":"',
    b"0000-00-00T00:00:00.000Z",
    b'","schema_version":',
    b"0}",
)
_TAIL = np.frombuffer(b"".join(_PARTS), np.uint8)
_ID, _TIME, _VERSION = (sum(map(len, _PARTS[:before])) for before in (1, 3, 5))
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint16)
"""The two hexadecimal digits of each byte."""
_DIGITS = np.frombuffer(b"".join(b"%02d" % number for number in range(100)), np.uint8).reshape(100, 2)
"""The two decimal digits of each number below 100."""


class Tails(NamedTuple):
    """The JSON after the bodies of some events, and the concatenated event ids of 36 characters each."""

    texts: list[bytes]
    ids: bytes


def escape(text: str) -> bytes:
    """Escape a text for JSON, without the quotes around it."""
    return msgspec.json.encode(text)[1:-1]


def template(kind: type[Event], **constants: Any) -> bytes:
    """Build the body template of an event type: a `%` conversion per non-constant field, in definition order.

    Values are numbers, or bytes for anything else: an escaped text, without quotes; an optional field as a
    whole, as `"name":"value",`, or empty if unset. Formatting bytes is twice as fast as formatting str.
    """
    parts = [f'{{"event_type":"{kind.__struct_config__.tag}",'.encode()]
    for field in msgspec.structs.fields(kind):
        if field.name in constants:
            parts.append(
                b'"%s":%s,'
                % (field.name.encode(), msgspec.json.encode(constants[field.name]).replace(b"%", b"%%"))
            )
        elif not field.required:
            parts.append(b"%s")
        elif field.name not in _COMMON:
            parts.append(b'"%s":%s,' % (field.name.encode(), _conversion(field.type)))
    return b"".join(parts)


def tails(times: np.ndarray, words: np.ndarray, versions: np.ndarray) -> Tails:
    """Build the JSON after the bodies of some events.

    Args:
        times: event times in ms.
        words: two random words per event, for its UUIDv7 (see `shopnow.ids`).
        versions: schema version of each event.
    """
    count = len(times)
    if not count:
        return Tails([], b"")
    text = np.tile(_TAIL, (count, 1))
    stamp = times.astype(np.uint64) << np.uint64(16) | np.uint64(0x7000) | words[:, 0] & np.uint64(0xFFF)
    rest = words[:, 1] & np.uint64(2**62 - 1) | np.uint64(2**63)
    digits = _HEX[np.stack([stamp, rest], axis=1).astype(">u8").view(np.uint8)].view(np.uint8)
    for start, end, at in ((0, 8, 0), (8, 12, 9), (12, 16, 14), (16, 20, 19), (20, 32, 24)):
        text[:, _ID + at : _ID + at + end - start] = digits[:, start:end]
    _write_times(text[:, _TIME : _TIME + 24], times)
    text[:, _VERSION] += versions.astype(np.uint8)
    texts = text.view(f"S{len(_TAIL)}").ravel().tolist()
    for whole_second in np.flatnonzero(times % 1000 == 0).tolist():
        texts[whole_second] = texts[whole_second].replace(b".000Z", b"Z")
    return Tails(texts, text[:, _ID : _ID + 36].tobytes())


def _write_times(text: np.ndarray, times: np.ndarray) -> None:
    """Write times as RFC 3339 with milliseconds into rows of 24 characters."""
    days, time_of_day = np.divmod(times, DAY)
    first = days.min()
    dates = np.datetime_as_string(np.arange(first, days.max() + 1).astype("M8[D]")).astype("S10")
    text[:, :10] = dates.view(np.uint8).reshape(-1, 10)[days - first]
    milliseconds = time_of_day % 1000
    for at, number in (
        (11, time_of_day // HOUR),
        (14, time_of_day // 60_000 % 60),
        (17, time_of_day // 1000 % 60),
        (20, milliseconds // 10),
    ):
        text[:, at : at + 2] = _DIGITS[number]
    text[:, 22] += (milliseconds % 10).astype(np.uint8)


def _conversion(kind: Any) -> bytes:
    info = inspect.type_info(kind)
    match info.type if isinstance(info, inspect.Metadata) else info:
        case inspect.IntType():
            return b"%d"
        case inspect.StrType() | inspect.LiteralType() | inspect.DateTimeType():
            return b'"%s"'
    return b"%s"
