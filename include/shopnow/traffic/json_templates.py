"""Events as JSON, straight from what the simulation knows: the bytes `shopnow.events.encode` gives, at a tenth of the cost.

A body is the JSON of an event up to the fields that every event has; `template` makes it from the definition of the event
type, with what is known beforehand filled in and escaped once. `tails` makes what follows, for many events at once.
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
"""The two digits of each byte."""
_DIGITS = np.frombuffer(b"".join(b"%02d" % number for number in range(100)), np.uint8).reshape(100, 2)


class Tails(NamedTuple):
    """Of some events in turn, what follows their bodies, and their ids: 36 characters each, one after the other."""

    texts: list[bytes]
    ids: bytes


def escape(text: str) -> bytes:
    """The text as it stands in JSON, without the quotes around it."""
    return msgspec.json.encode(text)[1:-1]


def template(kind: type[Event], **known: Any) -> bytes:
    """The bodies of that kind, with a `%` conversion for each field that is not `known`, in the order of the definition.

    A number is put in as it is; anything else as bytes: a text has to be escaped, and gets its quotes here; an optional field
    is put in whole, as `"name":"value",`, or as nothing where it is not set. (Bytes are put together twice as fast as text.)
    """
    parts = [f'{{"event_type":"{kind.__struct_config__.tag}",'.encode()]
    for field in msgspec.structs.fields(kind):
        if field.name in known:
            parts.append(
                b'"%s":%s,'
                % (field.name.encode(), msgspec.json.encode(known[field.name]).replace(b"%", b"%%"))
            )
        elif not field.required:
            parts.append(b"%s")
        elif field.name not in _COMMON:
            parts.append(b'"%s":%s,' % (field.name.encode(), _conversion(field.type)))
    return b"".join(parts)


def tails(times: np.ndarray, words: np.ndarray, versions: np.ndarray) -> Tails:
    """What follows the bodies of events at these `times` (ms), with UUIDv7 made of two random `words` each."""
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
    """RFC 3339 with milliseconds, into rows of 24 characters."""
    days, of_day = np.divmod(times, DAY)
    first = days.min()
    dates = np.datetime_as_string(np.arange(first, days.max() + 1).astype("M8[D]")).astype("S10")
    text[:, :10] = dates.view(np.uint8).reshape(-1, 10)[days - first]
    thousandths = of_day % 1000
    for at, number in (
        (11, of_day // HOUR),
        (14, of_day // 60_000 % 60),
        (17, of_day // 1000 % 60),
        (20, thousandths // 10),
    ):
        text[:, at : at + 2] = _DIGITS[number]
    text[:, 22] += (thousandths % 10).astype(np.uint8)


def _conversion(kind: Any) -> bytes:
    found = inspect.type_info(kind)
    match found.type if isinstance(found, inspect.Metadata) else found:
        case inspect.IntType():
            return b"%d"
        case inspect.StrType() | inspect.LiteralType() | inspect.DateTimeType():
            return b'"%s"'
    return b"%s"
