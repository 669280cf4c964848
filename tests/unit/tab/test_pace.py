"""The pace of changes: single steps wait for nothing, a burst neither, and a busy time is slowed down."""

import pytest

from shopnow_tab_app import pace
from shopnow_tab_app.pace import Pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


def test_a_burst_goes_through_and_then_each_step_waits(clock):
    steps = Pace(burst=3, per_second=2)
    assert [steps.step() for _ in range(3)] == [0, 0, 0]
    for _ in range(5):
        wait = steps.step()
        assert wait == 0.5
        clock[0] += wait
    clock[0] += 60
    assert [steps.step() for _ in range(4)] == [0, 0, 0, 0.5]  # no more than the burst is saved up


def test_steps_at_the_pace_never_wait(clock):
    steps = Pace(burst=1, per_second=2)
    for _ in range(10):
        assert steps.step() == 0
        clock[0] += 0.5
