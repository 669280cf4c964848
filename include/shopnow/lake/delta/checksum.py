"""Order-independent digest of a set of Kafka records.

Key and value of each record are hashed and mixed with its partition and offset; the hashes are summed modulo
2^64 in two lanes. Equal digests mean equal sets of records: a record that is lost, repeated, changed or moved
to another offset changes the sum. The digests of two disjoint sets add up to the digest of their union.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
# Hash of an absent key or value, which differs from an empty one.
_ABSENT = b"\xff" * 16

Bytes = Sequence[bytes | None]


@dataclass(frozen=True, slots=True)
class Digest:
    """Digest of a set of records; by default, of the empty set."""

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
        """Return the digest of `rows` records from its text, the result of `str`."""
        return cls(rows, int(text[:16], 16), int(text[16:], 16))


EMPTY = Digest()


def digest(partition: int, offsets: Sequence[int] | np.ndarray, keys: Bytes, values: Bytes) -> Digest:
    """Return the digest of records of one partition, given as columns of equal length."""
    value_hashes = _hashes(xxhash.xxh3_128_digest, 16, values)
    key_hashes = _hashes(xxhash.xxh3_64_digest, 8, keys)
    positions = np.asarray(offsets, dtype=np.int64).astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(
        _scramble(partition)
    )
    salts = _mix(_mix(positions) ^ key_hashes[:, 0])
    high = _mix(value_hashes[:, 0] ^ salts)
    low = _mix(value_hashes[:, 1] + salts)
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
    """Apply MurmurHash3's finalizer, so that every input bit affects the sums."""
    x = x ^ (x >> np.uint64(33))
    x = x * np.uint64(0xFF51AFD7ED558CCD)
    x = x ^ (x >> np.uint64(33))
    x = x * np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))
