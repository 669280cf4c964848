"""When shoppers come: quiet nights, busy evenings, more of them at weekends and every week.

Times are whole milliseconds since 1970, UTC, as everywhere in the simulation: they add up exactly and go into JSON.
"""

from collections.abc import Sequence

import numpy as np

from shopnow.traffic.scenarios import DAY, HOUR, Phase

WEEK = 7 * DAY
_MONDAY = 4
"""1970 began on a Thursday: so many days later came the first Monday."""


class Arrivals:
    """The shape of the traffic of a period, as a map from the share of sessions that have come to the time."""

    def __init__(self, stretches: Sequence[Phase]) -> None:
        edges, weights = [stretches[0].start], []
        for start, end, conditions in stretches:
            usual = np.mean(conditions.hours) * np.mean(conditions.weekdays)
            while start < end:
                until = min((start // HOUR + 1) * HOUR, end)
                busy = (
                    conditions.hours[start // HOUR % 24]
                    * conditions.weekdays[(start // DAY - _MONDAY) % 7]
                    / usual
                )
                grown = (1 + conditions.growth_per_week) ** ((start - edges[0]) / WEEK)
                weights.append(busy * grown * conditions.arrivals * (until - start) / DAY)
                edges.append(until)
                start = until
        self._edges = np.array(edges, dtype=np.float64)
        self._come = np.concatenate([[0.0], np.cumsum(weights)])

    @property
    def normal_days(self) -> float:
        """How many average days' worth of shoppers come in all."""
        return float(self._come[-1])

    def at(self, shares: np.ndarray) -> np.ndarray:
        """The times, in whole ms, by which these shares (0 to below 1) of all sessions have come."""
        return np.interp(shares * self._come[-1], self._come, self._edges).astype(np.int64)
