"""A digest of Kafka records that does not depend on their order.

Each record's key and value are hashed and mixed with its partition and offset; the results are summed modulo 2^64 in two lanes.
Equal digests mean equal sets of records: one lost, repeated, changed or moved to another offset changes the sum, and the
digests of two disjoint sets add up to that of both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
# Stands for the hash of an absent key or value, which is not the same as an empty one.
_ABSENT = b"\xff" * 16

Bytes = Sequence[bytes | None]


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest of a set of records; of none to begin with."""

    rows: int = 0
    high: int = 0
    low: int = 0

    def __add__(self, other: "Digest") -> "Digest":
        return Digest(self.rows + other.rows, self.high + other.high & _MASK, self.low + other.low & _MASK)

    def __sub__(self, other: "Digest") -> "Digest":
        return Digest(self.rows - other.rows, self.high - other.high & _MASK, self.low - other.low & _MASK)

    def __str__(self) -> str:
        return f"{self.high:016x}{self.low:016x}"

    @classmethod
    def parse(cls, rows: int, text: str) -> "Digest":
        """The digest that has this many rows and this text."""
        return cls(rows, int(text[:16], 16), int(text[16:], 16))


NOTHING = Digest()


def digest(partition: int, offsets: Sequence[int] | np.ndarray, keys: Bytes, values: Bytes) -> Digest:
    """The digest of records of one partition, given as columns of equal length."""
    value_hashes = _hashes(xxhash.xxh3_128_digest, 16, values)
    key_hashes = _hashes(xxhash.xxh3_64_digest, 8, keys)
    place = np.asarray(offsets, dtype=np.int64).astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(
        _scramble(partition)
    )
    place = _mix(_mix(place) ^ key_hashes[:, 0])
    high = _mix(value_hashes[:, 0] ^ place)
    low = _mix(value_hashes[:, 1] + place)
    return Digest(len(value_hashes), int(high.sum(dtype=np.uint64)), int(low.sum(dtype=np.uint64)))


def _hashes(function: Callable[[bytes], bytes], width: int, items: Bytes) -> np.ndarray:
    try:
        joined = b"".join(map(function, items))  # type: ignore[arg-type]
    except TypeError:
        joined = b"".join([_ABSENT[:width] if item is None else function(item) for item in items])
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64).reshape(-1, width // 8)


def _scramble(partition: int) -> int:
    return (partition + 1) * 0xD1B54A32D192ED03 & _MASK


def _mix(x: np.ndarray) -> np.ndarray:
    """MurmurHash3's finalizer: makes the sums below sensitive to every bit."""
    x = x ^ (x >> np.uint64(33))
    x = x * np.uint64(0xFF51AFD7ED558CCD)
    x = x ^ (x >> np.uint64(33))
    x = x * np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))
