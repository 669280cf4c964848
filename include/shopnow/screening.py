"""Cheap checks of many events at once that find those which need the full check.

They may select too many events, never too few: what is not selected is valid and canonical as it stands.
"""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import numpy as np
import pyarrow as pa

from shopnow.event_times import MAX_PROMISE, TimeLimits
from shopnow.events import Delivery, Event, OrderCancelled, OrderPlaced
from shopnow.record_problems import MAX_NUMBER_LENGTH, has_readable_sizes

_MAX_PROMISE = MAX_PROMISE - timedelta(milliseconds=1)
"""The decoder may round the time of the event up by less than that."""

_FIRST_UNSAFE_LEAD = 0xCC
"""From U+0300, which this byte begins, on there are letters whose normal form differs."""
_SPECIAL = (0x5C, 0x7F, 0xC2)
"""The backslash, DEL, and the byte that begins the control characters after DEL."""

# Sizes with which the data of a step stay in the processor's cache.
EVENTS_AT_ONCE = 125
_BLOCK_BYTES = 1 << 16
_IDS_AT_ONCE = 1024

_ID_LENGTH = 36


def _ranges(symbol: str) -> tuple[int, int, int, int]:
    """Return start and width of the two ranges of characters that a symbol of a UUID's pattern stands for."""
    if symbol in "xv":
        digits, letters = ("09", "af") if symbol == "x" else ("89", "ab")
        return ord(digits[0]), ord(digits[1]) - ord(digits[0]), ord(letters[0]), ord(letters[1]) - ord("a")
    return ord(symbol), 0, ord(symbol), 0


# UUIDv7s in lower case, many in a row: operations on long arrays without broadcasting are the fastest.
_DIGIT, _DIGITS, _LETTER, _LETTERS = np.tile(
    np.array([_ranges(symbol) for symbol in "xxxxxxxx-xxxx-7xxx-vxxx-xxxxxxxxxxxx"], np.uint8).T, _IDS_AT_ONCE
)


def unusual_values(values: Sequence[bytes | None], column: pa.Array) -> set[int]:
    """Return the indices of values whose size or bytes readers may take differently.

    Args:
        values: the values.
        column: the same values as a binary array.
    """
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(column.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    # What is nested too deep and valid otherwise is longer, too.
    long = np.flatnonzero(np.diff(offsets) > MAX_NUMBER_LENGTH).tolist()
    unusual = {index for index in long if not has_readable_sizes(values[index])}
    starts = offsets[:-1] - offsets[0]
    highest, special = _special_bytes(data)
    if len(special):
        unusual |= _records(starts, special)
    if highest < 0x80:
        return unusual
    try:
        # The decoder does not check the UTF-8 of the strings it skips, those of unknown fields.
        column.cast(pa.string())
    except pa.ArrowInvalid:
        return unusual | _records(starts, np.flatnonzero(data >= 0x80))
    return unusual | (_unnormalized(values, data, starts) if highest >= _FIRST_UNSAFE_LEAD else set())


def _special_bytes(data: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the highest byte, and the positions of backslashes and of control characters from DEL on."""
    highest, found = 0, [np.empty(0, np.int64)]
    for start in range(0, len(data), _BLOCK_BYTES):
        block = data[start : start + _BLOCK_BYTES]
        highest_here = int(block.max())
        highest = max(highest, highest_here)
        text = block.tobytes()  # a search in bytes is faster than in an array
        for byte in _SPECIAL:
            if byte <= highest_here and byte in text:
                found.append(start + np.flatnonzero(block == byte))
    positions = np.concatenate(found)
    here, *after = (data[np.minimum(positions + distance, len(data) - 1)] for distance in range(5))
    # After 0xC2, the bytes from 0xA0 on make printable characters.
    is_plain = (here == 0xC2) & (after[0] >= 0xA0)
    if highest < _FIRST_UNSAFE_LEAD:  # a letter from there on may combine with one that is escaped before it
        is_plain |= (here == 0x5C) & _are_plain_escapes(*after)
    return highest, positions[~is_plain]


def _are_plain_escapes(first: np.ndarray, *digits: np.ndarray) -> np.ndarray:
    r"""Return which escapes are `\"`, `\/`, or `\u00a0` to `\u00ff`, as `json.dumps` writes accents.

    Args:
        first, digits: the four bytes after each backslash.
    """
    is_latin = (first == ord("u")) & (digits[0] == ord("0")) & (digits[1] == ord("0"))
    lower = digits[2] | 0x20
    return (first == ord('"')) | (first == ord("/")) | (is_latin & (lower >= ord("a")) & (lower <= ord("f")))


def _unnormalized(values: Sequence[bytes | None], data: np.ndarray, starts: np.ndarray) -> set[int]:
    """Return the indices of values, which are UTF-8, whose text is not in normal form C."""
    positions = np.flatnonzero(data >= 0x80)
    # An ASCII character is changed at most by what follows it: each run is looked at with the one before.
    before = positions[np.diff(positions, prepend=-1) > 1] - 1
    runs = data[np.sort(np.concatenate([positions, before]))].tobytes().decode()
    if unicodedata.is_normalized("NFC", runs):
        return set()
    return {
        index
        for index in _records(starts, positions)
        if not unicodedata.is_normalized("NFC", (values[index] or b"").decode())
    }


def _records(starts: np.ndarray, positions: np.ndarray) -> set[int]:
    """Return the indices of the records which these positions of the joined values are in."""
    return set(np.unique(np.searchsorted(starts, positions, side="right") - 1).tolist())


class EventScreen:
    """Finds unusual events of one topic: their id, times or amounts are not plainly valid and canonical.

    It keeps what it needs of the events, not the events: those of a whole chunk would leave the processor's
    cache before the last check.
    """

    def __init__(self) -> None:
        self.times: list[datetime] = []
        self._ids: list[str] = []
        self._promises: list[datetime] = []
        self._unusual: set[int] = set()

    def add(self, events: Sequence[Event]) -> None:
        """Add some events, at best `EVENTS_AT_ONCE`."""
        if isinstance(events[0], Delivery):
            self._promises += [event.promised_at for event in cast(Sequence[Delivery], events)]
        elif isinstance(events[0], OrderPlaced | OrderCancelled):
            self._unusual.update(len(self.times) + index for index in _amounts(events))
        self.times += [event.event_time for event in events]
        self._ids.append("".join([event.event_id for event in events]))

    def unusual(self, ends: tuple[datetime, datetime], received: np.ndarray, limits: TimeLimits) -> set[int]:
        """Return the indices of unusual events among all that were added, at least one.

        Args:
            ends: the first and the last of the times.
            received: timestamps of their records, ms since 1970.
        """
        unusual = self._unusual | _ids("".join(self._ids), len(self.times))
        unusual |= _times(self.times, ends, received, limits)
        return unusual | _promises(self._promises, self.times, ends[0], limits)


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


def _promises(
    promises: Sequence[datetime], times: Sequence[datetime], first: datetime, limits: TimeLimits
) -> set[int]:
    if not promises or (min(promises) > limits.earliest and max(promises) - first <= _MAX_PROMISE):
        return set()
    return {
        index
        for index, (at, promised) in enumerate(zip(times, promises, strict=True))
        if promised <= limits.earliest or promised - at > _MAX_PROMISE
    }


def _ids(joined: str, count: int) -> set[int]:
    """Return the indices of the ids that are not UUIDv7s in lower case."""
    text = joined.encode()
    if len(text) != _ID_LENGTH * count:
        return set(range(count))
    unusual: set[int] = set()
    for start in range(0, len(text), _IDS_AT_ONCE * _ID_LENGTH):
        letters = np.frombuffer(text, np.uint8)[start : start + _IDS_AT_ONCE * _ID_LENGTH]
        size = len(letters)
        # Below the start of a range, the difference wraps around to a great number.
        is_digit = letters - _DIGIT[:size] <= _DIGITS[:size]
        is_plain = is_digit | (letters - _LETTER[:size] <= _LETTERS[:size])
        if not is_plain.all():
            unusual.update(((start + np.flatnonzero(~is_plain)) // _ID_LENGTH).tolist())
    return unusual


def _amounts(events: Sequence[Event]) -> set[int]:
    """Return the indices of orders whose total is not goods − discount, which are not negative then."""
    unusual = set()
    for index, event in enumerate(events):
        if type(event) is OrderPlaced:
            rest = event.discount_cents + event.total_cents
            for item in event.items:  # twice as fast as a sum of a comprehension
                rest -= item.quantity * item.unit_price_cents
            if rest:
                unusual.add(index)
    return unusual


def _datetime(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
