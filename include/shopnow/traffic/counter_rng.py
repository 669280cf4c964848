"""Chance by position: every number is a function of a key and of where it stands, so a simulation goes on anywhere it was left.

Philox is a counter-based generator: its n-th block of four words is computed from the key and n alone, not from the blocks before.
"""

from collections.abc import Iterator
from itertools import chain
from operator import length_hint

import numpy as np
import xxhash
from numpy.random import Philox

_WORDS = 4
_AT_ONCE = 4096


def derive_key(*parts: int | str) -> int:
    """The key, of 128 bits, of whatever these numbers and names stand for."""
    return xxhash.xxh3_128_intdigest(" ".join(map(str, parts)).encode())


def random_words(key: int, first: int, count: int, each: int) -> np.ndarray:
    """Random words of 64 bits: `count` rows of `each`, from the row `first` on."""
    block, skip = divmod(first * each, _WORDS)
    return Philox(key=key, counter=block).random_raw(skip + count * each)[skip:].reshape(count, each)


def uniform(words: np.ndarray) -> np.ndarray:
    """The words as numbers from 0 to below 1."""
    return (words >> np.uint64(11)) * 2.0**-53


class Draws:
    """Numbers from 0 to below 1, one after the other; `draw()` gives the next."""

    def __init__(self, key: int, position: int) -> None:
        self._key = key
        self._made = position
        self._current: Iterator[float] = iter(())
        self.draw = chain.from_iterable(self._lists()).__next__

    @property
    def position(self) -> int:
        """How many were drawn: pass it to go on from here."""
        return self._made - length_hint(self._current)

    def _lists(self) -> Iterator[Iterator[float]]:
        while True:
            numbers = uniform(random_words(self._key, self._made, _AT_ONCE, 1)).ravel().tolist()
            self._made += len(numbers)
            self._current = iter(numbers)
            yield self._current
