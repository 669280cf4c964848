from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories.shop_events import NEW_YEAR
from shopnow.traffic import scenarios
from shopnow.traffic.arrivals import DAY, HOUR, WEEK, Arrivals
from shopnow.traffic.scenarios import NORMAL, phases

NORMAL_DAY = scenarios.scenario(NORMAL)


@given(
    start=st.integers(0, 3 * DAY),
    length=st.integers(1, 3 * DAY),
    shares=st.lists(st.floats(0, 1, exclude_max=True)),
)
@pytest.mark.parametrize("name", scenarios.load())
def test_times_are_monotonic_and_within_the_period(
    name: str, start: int, length: int, shares: list[float]
) -> None:
    arrivals = Arrivals(phases(scenarios.scenario(name), start, start + length))
    times = arrivals.at(np.array(sorted(shares))).tolist()
    assert all(start <= time <= start + length for time in times)
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_hours_and_weekdays_follow_their_weights_and_weeks_grow() -> None:
    conditions = NORMAL_DAY.conditions
    arrivals = Arrivals(phases(NORMAL_DAY, NEW_YEAR, NEW_YEAR + 4 * WEEK))
    times = arrivals.at((np.arange(400_000) + 0.5) / 400_000)
    hours, days, weeks = (
        Counter(values.tolist())
        for values in (times // HOUR % 24, (times // DAY + 3) % 7, (times - NEW_YEAR) // WEEK)
    )
    for counts, weights in ((hours, conditions.hours), (days, conditions.weekdays)):
        for index, weight in enumerate(weights):
            assert counts[index] / 400_000 == pytest.approx(weight / sum(weights), rel=0.02)
    for week, next_week in pairwise(range(4)):
        assert weeks[next_week] / weeks[week] == pytest.approx(1 + conditions.growth_per_week, rel=0.001)


def test_a_normal_week_has_seven_normal_days() -> None:
    assert Arrivals(phases(NORMAL_DAY, NEW_YEAR, NEW_YEAR + WEEK)).normal_days == pytest.approx(7, rel=0.01)
