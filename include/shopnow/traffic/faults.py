"""Injected faults; which events get which fault is a function of their number in the life of the shop.

- **late**: sent ten minutes to three days after the event. **out of order**: sent up to two minutes after it,
  so that later events overtake it. **duplicate**: sent again within a minute. All delays are by the shop's
  clock, and may end in a later run.
- **malformed**: the record cannot be decoded as an event, for one of several reasons.
- **clock skew**: the clocks of the servers that stamp the events are off; each server stamps the records of
  some keys.
"""

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np

from shopnow.events import SCHEMA_VERSION
from shopnow.traffic import counter_rng
from shopnow.traffic.ledger_totals import DUPLICATE
from shopnow.traffic.run_config import Faults

LATE, OUT_OF_ORDER = "late", "out_of_order"
MALFORMED = ("truncated", "wrong_type", "missing_field", "unknown_type", "not_utf8", "empty")

SERVERS = 8
"""Number of servers that stamp the events."""

_DELAYS = {LATE: (600_000, 72 * 3_600_000), OUT_OF_ORDER: (20_000, 120_000), DUPLICATE: (1, 60_000)}
"""Minimum and maximum delay in ms; delays are log-uniformly distributed."""

_WORDS_PER_EVENT = 3
"""Random words per event: the fault, its detail, the schema version."""


class InjectedFault(NamedTuple):
    """The kind of fault of an event and, unless malformed, the delay of its record in ms."""

    kind: str
    delay: int = 0


def assign_faults(faults: Faults, key: int, first: int, count: int) -> dict[int, InjectedFault]:
    """Choose the faults of `count` events.

    Args:
        key: key of the random numbers.
        first: number of the first event in the life of the shop.

    Returns:
        The fault by the index of the event, for events that have one.
    """
    shares = {
        LATE: faults.late,
        OUT_OF_ORDER: faults.out_of_order,
        DUPLICATE: faults.duplicate,
        "malformed": faults.malformed,
    }
    if not any(shares.values()):
        return {}
    words = counter_rng.random_words(key, first, count, _WORDS_PER_EVENT)
    selector, detail = counter_rng.uniform(words[:, :2]).T
    choices = np.searchsorted(np.cumsum(list(shares.values())), selector, side="right")
    injected = {}
    for index in np.flatnonzero(choices < len(shares)).tolist():
        fault, fraction = list(shares)[choices[index]], float(detail[index])
        if fault in _DELAYS:
            minimum, maximum = _DELAYS[fault]
            injected[index] = InjectedFault(fault, int(minimum * (maximum / minimum) ** fraction))
        else:
            injected[index] = InjectedFault(MALFORMED[int(fraction * len(MALFORMED))])
    return injected


def schema_versions(faults: Faults, key: int, first: int, count: int) -> np.ndarray:
    """Choose the schema version of each of `count` events; arguments as of `assign_faults`."""
    if not faults.schema_v1:
        return np.full(count, SCHEMA_VERSION)
    words = counter_rng.random_words(key, first, count, _WORDS_PER_EVENT)
    is_old = counter_rng.uniform(words[:, 2]) < faults.schema_v1
    return np.where(is_old, 1, SCHEMA_VERSION)


def to_version_1(body: bytes) -> bytes:
    """Remove the field that schema version 2 added: the coupon, which is the last field if present."""
    before, coupon, _ = body.partition(b',"coupon":')
    return before + b"," if coupon else body


def clock_skews(faults: Faults, keys: Sequence[bytes]) -> np.ndarray:
    """Return how many ms the clock behind each record is ahead; it is a function of the record key."""
    if not faults.clock_skew_seconds:
        return np.zeros(len(keys), dtype=np.int64)
    offsets = np.linspace(-1, 1, SERVERS) * faults.clock_skew_seconds * 1000
    return offsets.astype(np.int64)[[crc32(key) % SERVERS for key in keys]]


def corrupt(value: bytes, fault: str) -> bytes:
    """Corrupt a record value in one of the ways of `MALFORMED`."""
    match fault:
        case "truncated":
            return value[: len(value) // 2]
        case "wrong_type":
            return value[: value.rindex(b":") + 1] + b'"latest"}'
        case "missing_field":
            return value[: value.rindex(b'"event_time"')] + value[value.rindex(b'"schema_version"') :]
        case "unknown_type":
            return value.replace(b'","', b'_of_late","', 1)
        case "not_utf8":
            return value.replace(b'"event_id":"', b'"event_id":"\xff', 1)
        case "empty":
            return b""
    raise ValueError(f"unknown fault {fault!r}: expected one of {', '.join(MALFORMED)}")
