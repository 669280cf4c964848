"""What goes wrong with records on purpose: which events meet which fault follows from their number in the life of the shop.

- **late**: sent ten minutes to three days after it happened, **out of order**: up to two minutes after, so that what happened later
  overtakes it. **duplicate**: sent again within a minute. All of these by the shop's clock, in this run or in one to come.
- **malformed**: no event can be made of it, in one of several ways.
- **clock skew**: the servers that stamp the events, each those of some keys, have clocks that are off.
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
"""How many servers stamp the events."""

_DELAYS = {LATE: (600_000, 72 * 3_600_000), OUT_OF_ORDER: (20_000, 120_000), DUPLICATE: (1, 60_000)}
"""Least and greatest delay, in ms; orders of magnitude are equally likely."""


class InjectedFault(NamedTuple):
    """What one event meets: a fault, and for all but malformed ones how long the record is held back, in ms."""

    fault: str
    delay: int = 0


def assign_faults(faults: Faults, key: int, first: int, count: int) -> dict[int, InjectedFault]:
    """Of `count` events, from the `first` in the life of the shop on, those that meet a fault, by their index."""
    shares = {
        LATE: faults.late,
        OUT_OF_ORDER: faults.out_of_order,
        DUPLICATE: faults.duplicate,
        "malformed": faults.malformed,
    }
    if not any(shares.values()):
        return {}
    which, detail = counter_rng.uniform(counter_rng.random_words(key, first, count, each=3)[:, :2]).T
    chosen = np.searchsorted(np.cumsum(list(shares.values())), which, side="right")
    found = {}
    for index in np.flatnonzero(chosen < len(shares)).tolist():
        fault, chance = list(shares)[chosen[index]], float(detail[index])
        if fault in _DELAYS:
            least, most = _DELAYS[fault]
            found[index] = InjectedFault(fault, int(least * (most / least) ** chance))
        else:
            found[index] = InjectedFault(MALFORMED[int(chance * len(MALFORMED))])
    return found


def schema_versions(faults: Faults, key: int, first: int, count: int) -> np.ndarray:
    """The schema version each of these events is written in."""
    if not faults.schema_v1:
        return np.full(count, SCHEMA_VERSION)
    old = counter_rng.uniform(counter_rng.random_words(key, first, count, each=3)[:, 2]) < faults.schema_v1
    return np.where(old, 1, SCHEMA_VERSION)


def to_version_1(body: bytes) -> bytes:
    """The body without what came later: the coupon, its last field if it has one."""
    before, coupon, _ = body.partition(b',"coupon":')
    return before + b"," if coupon else body


def clock_skews(faults: Faults, keys: Sequence[bytes]) -> np.ndarray:
    """By how many ms the clock that stamps each of these records is ahead; always the same for the same key."""
    if not faults.clock_skew_seconds:
        return np.zeros(len(keys), dtype=np.int64)
    off = np.linspace(-1, 1, SERVERS) * faults.clock_skew_seconds * 1000
    return off.astype(np.int64)[[crc32(key) % SERVERS for key in keys]]


def corrupt(value: bytes, fault: str) -> bytes:
    """The record with that fault, one of `MALFORMED`."""
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
    raise ValueError(f"there is no fault {fault!r}")
