from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopnow.traffic.arrivals import DAY, HOUR, HOURLY, Arrivals

MIDNIGHT = 1_767_225_600_000


@given(start=st.integers(0, 3 * DAY), length=st.integers(1, 3 * DAY), shares=st.lists(st.floats(0, 1, exclude_max=True)))
def test_times_are_in_order_and_within_the_window(start: int, length: int, shares: list[float]) -> None:
    arrivals = Arrivals(start, start + length)
    times = [arrivals.at(share) for share in sorted(shares)]
    assert all(start <= time <= start + length for time in times)
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_each_hour_gets_its_share() -> None:
    arrivals = Arrivals(MIDNIGHT, MIDNIGHT + DAY)
    times = [arrivals.at((i + 0.5) / 100_000) for i in range(100_000)]
    for hour, weight in enumerate(HOURLY):
        count = sum(1 for time in times if (time - MIDNIGHT) // HOUR == hour)
        assert count / 100_000 == pytest.approx(weight / sum(HOURLY), abs=1e-4)
