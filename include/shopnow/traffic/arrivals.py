"""Arrival times of sessions: quiet nights, busy evenings and weekends, and weekly growth.

Times are whole milliseconds since 1970, UTC, as everywhere in the simulation: they add up exactly and fit in
JSON.
"""

from collections.abc import Sequence

import numpy as np

from shopnow.traffic.scenarios import DAY, HOUR, Phase

WEEK = 7 * DAY
_FIRST_MONDAY = 4
"""Days from 1970-01-01, a Thursday, to the first Monday."""


class Arrivals:
    """The inverted cumulative distribution of arrivals: from a share of a period's sessions to a time."""

    def __init__(self, phases: Sequence[Phase]) -> None:
        edges, weights = [phases[0].start], []
        for start, end, conditions in phases:
            mean = np.mean(conditions.hours) * np.mean(conditions.weekdays)
            while start < end:
                hour_end = min((start // HOUR + 1) * HOUR, end)
                intensity = (
                    conditions.hours[start // HOUR % 24]
                    * conditions.weekdays[(start // DAY - _FIRST_MONDAY) % 7]
                    / mean
                )
                growth = (1 + conditions.growth_per_week) ** ((start - edges[0]) / WEEK)
                weights.append(intensity * growth * conditions.arrivals * (hour_end - start) / DAY)
                edges.append(hour_end)
                start = hour_end
        self._edges = np.array(edges, dtype=np.float64)
        self._cumulative = np.concatenate([[0.0], np.cumsum(weights)])

    @property
    def normal_days(self) -> float:
        """Total arrivals of the period, in units of an average day's arrivals."""
        return float(self._cumulative[-1])

    def at(self, shares: np.ndarray) -> np.ndarray:
        """Return the times, in whole ms, by which the shares (in [0, 1)) of all sessions have arrived."""
        return np.interp(shares * self._cumulative[-1], self._cumulative, self._edges).astype(np.int64)
