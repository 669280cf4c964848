"""A pace that lets single steps and bursts through at once, and slows down what goes on."""

import time


class Pace:
    """Counts steps; `burst` of them may follow each other at once, and `per_second` in the long run."""

    def __init__(self, burst: int, per_second: float) -> None:
        self._burst, self._per_second = burst, per_second
        self._left, self._at = float(burst), time.monotonic()

    def step(self) -> float:
        """Count a step; returns the seconds to wait before the next."""
        now = time.monotonic()
        self._left = min(self._left + (now - self._at) * self._per_second, self._burst) - 1
        self._at = now
        return max(-self._left / self._per_second, 0.0)
