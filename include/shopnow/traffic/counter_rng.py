"""Counter-based random numbers, functions of a key and a position, so that a simulation can resume anywhere.

Philox computes its n-th block of four words from the key and n alone, not from the blocks before it.
"""

from collections.abc import Iterator
from itertools import chain
from operator import length_hint

import numpy as np
import xxhash
from numpy.random import Philox

_WORDS_PER_BLOCK = 4
_BATCH_SIZE = 4096


def derive_key(*parts: int | str) -> int:
    """Derive a 128-bit key from numbers and names."""
    return xxhash.xxh3_128_intdigest(" ".join(map(str, parts)).encode())


def random_words(key: int, first: int, count: int, width: int) -> np.ndarray:
    """Return rows `first` to `first + count` of an infinite table of 64-bit words with `width` columns."""
    block, skip = divmod(first * width, _WORDS_PER_BLOCK)
    return Philox(key=key, counter=block).random_raw(skip + count * width)[skip:].reshape(count, width)


def uniform(words: np.ndarray) -> np.ndarray:
    """Convert words to numbers in [0, 1)."""
    return (words >> np.uint64(11)) * 2.0**-53


class Draws:
    """A sequence of random numbers in [0, 1); `draw()` returns the next one."""

    def __init__(self, key: int, position: int) -> None:
        self._key = key
        self._generated = position
        self._batch: Iterator[float] = iter(())
        self.draw = chain.from_iterable(self._batches()).__next__

    @property
    def position(self) -> int:
        """Number of values drawn so far; a new `Draws` at this position continues the sequence."""
        return self._generated - length_hint(self._batch)

    def _batches(self) -> Iterator[Iterator[float]]:
        while True:
            numbers = uniform(random_words(self._key, self._generated, _BATCH_SIZE, 1)).ravel().tolist()
            self._generated += len(numbers)
            self._batch = iter(numbers)
            yield self._batch
