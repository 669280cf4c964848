"""Cheap checks of many events at once that find those which need the full check.

They may select too many events, never too few: what is not selected is valid and canonical as it stands.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from shopnow.event_times import MAX_PROMISE, TimeLimits
from shopnow.events import Delivery, Event, OrderCancelled, OrderPlaced
from shopnow.record_problems import MAX_NUMBER_LENGTH

_FIRST_UNSAFE_LEAD = 0xCC
"""From U+0300, which this byte begins, on there are letters whose normal form differs."""

_HEX, _VARIANT, _SEVEN, _DASH = 1, 2, 4, 8
_ID_LENGTH = 36


def _classes() -> bytes:
    classes = bytearray(256)
    for digits, flag in ((b"0123456789abcdef", _HEX), (b"89ab", _VARIANT), (b"7", _SEVEN), (b"-", _DASH)):
        for byte in digits:
            classes[byte] |= flag
    return bytes(classes)


_CLASSES = _classes()
# The class that each character of a UUIDv7 in lower case must have.
_UUID7 = np.array(
    [
        {"x": _HEX, "7": _SEVEN, "v": _VARIANT, "-": _DASH}[symbol]
        for symbol in "xxxxxxxx-xxxx-7xxx-vxxx-xxxxxxxxxxxx"
    ],
    np.uint8,
)


def unusual_values(column: pa.Array) -> set[int]:
    """Return the indices of values whose size or bytes readers may take differently.

    Args:
        column: the values as a binary array without null.
    """
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(column.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    lengths = np.diff(offsets)
    unusual = (
        set(np.flatnonzero(lengths > MAX_NUMBER_LENGTH).tolist())
        if lengths.max() > MAX_NUMBER_LENGTH
        else set()
    )
    # The control character DEL, 0x7F, is the greatest of ASCII. A search in bytes is faster than in an array.
    if not len(data) or (data.max() < 0x7F and b"\\" not in data.tobytes()):
        return unusual
    try:
        # The decoder does not check the UTF-8 of the strings it skips, those of unknown fields.
        column.cast(pa.string())
    except pa.ArrowInvalid:
        return set(range(len(column)))
    positions = np.flatnonzero(
        (data >= _FIRST_UNSAFE_LEAD) | (data == 0x7F) | (data == 0x5C) | (data == 0xC2)
    )
    after = data[np.minimum(positions + 1, len(data) - 1)]
    # After 0xC2, the bytes from 0xA0 on make printable characters.
    positions = positions[(data[positions] != 0xC2) | (after < 0xA0)]
    records = np.searchsorted(offsets - offsets[0], positions, side="right") - 1
    return unusual | set(np.unique(records).tolist())


def unusual_events(
    events: Sequence[Event],
    times: Sequence[datetime],
    ends: tuple[datetime, datetime],
    received: np.ndarray,
    limits: TimeLimits,
) -> set[int]:
    """Return the indices of events whose id, times or amounts are not plainly valid and canonical.

    Args:
        events: decoded events of one topic, at least one.
        times: their event times.
        ends: the first and the last of the times.
        received: timestamps of their records, ms since 1970.
    """
    unusual = _ids(events) | _times(times, ends, received, limits)
    if isinstance(events[0], Delivery):
        unusual |= _promises(events, limits)
    elif isinstance(events[0], OrderPlaced | OrderCancelled):
        unusual |= _amounts(events)
    return unusual


def _ids(events: Sequence[Event]) -> set[int]:
    ids = [event.event_id for event in events]
    joined = "".join(ids).encode()
    if len(joined) != _ID_LENGTH * len(ids):
        return set(range(len(ids)))
    classes = np.frombuffer(joined.translate(_CLASSES), np.uint8).reshape(-1, _ID_LENGTH)
    is_plain = (classes & _UUID7 != 0).all()
    return set() if is_plain else set(np.flatnonzero(~(classes & _UUID7 != 0).all(axis=1)).tolist())


def _amounts(events: Sequence[Event]) -> set[int]:
    """Return the indices of orders whose total is not goods − discount, which are not negative then."""
    return {
        index
        for index, event in enumerate(events)
        if type(event) is OrderPlaced
        and sum([item.quantity * item.unit_price_cents for item in event.items])  # noqa: C419 - faster
        != event.discount_cents + event.total_cents
    }


def _times(
    times: Sequence[datetime], ends: tuple[datetime, datetime], received: np.ndarray, limits: TimeLimits
) -> set[int]:
    # The earliest time itself may have been rounded up to it.
    if ends[0] > limits.earliest and ends[1] <= _datetime(received.min()) + limits.skew:
        return set()
    return {
        index
        for index, at in enumerate(times)
        if at <= limits.earliest or at > _datetime(received[index]) + limits.skew
    }


def _promises(events: Sequence[Event], limits: TimeLimits) -> set[int]:
    return {
        index
        for index, event in enumerate(events)
        if isinstance(event, Delivery)
        and not (limits.earliest < event.promised_at and event.promised_at - event.event_time <= MAX_PROMISE)
    }


def _datetime(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
