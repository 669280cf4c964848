"""When shoppers come: quiet nights, busy evenings.

Times are whole milliseconds since 1970, UTC, as everywhere in the simulation: they add up exactly and go into JSON.
"""

from bisect import bisect_right

HOUR = 3_600_000
DAY = 24 * HOUR

HOURLY = (3, 2, 1, 1, 1, 2, 4, 7, 10, 12, 13, 14, 16, 15, 13, 13, 14, 16, 19, 22, 24, 21, 14, 7)
"""How busy each hour of the day is, UTC, relative to the others."""


class Arrivals:
    """The shape of traffic between two times, as a map from the share of sessions that have come to the time."""

    def __init__(self, start: int, end: int) -> None:
        self.edges = [start, *range((start // HOUR + 1) * HOUR, end, HOUR), end]
        self.cumulative = [0.0]
        for left, right in zip(self.edges, self.edges[1:], strict=False):
            self.cumulative.append(self.cumulative[-1] + HOURLY[left // HOUR % 24] * (right - left))

    def at(self, share: float) -> int:
        """The time by which `share` (0 to below 1) of all sessions have come."""
        target = share * self.cumulative[-1]
        hour = min(bisect_right(self.cumulative, target), len(self.edges) - 1) - 1
        left, right = self.cumulative[hour], self.cumulative[hour + 1]
        return self.edges[hour] + int((self.edges[hour + 1] - self.edges[hour]) * (target - left) / (right - left))
