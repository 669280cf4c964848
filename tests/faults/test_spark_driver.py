"""The Spark driver killed at every failpoint: no table is half written, the result is as without faults."""

import signal
import time
import uuid
from collections.abc import Callable
from random import Random

from faults import oracle
from faults.pipeline import land_all, run_spark
from faults.scoreboard import Fault, Scoreboard
from faults.services import Services
from shopnow.kpis import KPIS
from shopnow.traffic.generate import generate

EVENTS_POINTS = ("kpi:plan", "kpi:events", "kpi:events_committed")
"""Failpoints that are passed once per topic."""
KPI_POINTS = tuple(f"{kpi.name.replace('/', ':')}{end}" for kpi in KPIS for end in ("", "_committed"))


KILLS_PER_ROUND = 4


def test_killed_at_every_point(
    services: Services,
    shared_lake: str,
    rng: Random,
    scoreboard: Scoreboard,
    for_suite: Callable[[int, int], int],
) -> None:
    points = schedule(rng, for_suite)
    while points:
        generate(services.conf, str(uuid.uuid4()), sessions=60, seed=rng.randrange(2**31))
        land_all(services, shared_lake)
        snapshots = [oracle.contents(shared_lake)]
        done, last_kill = kill_and_recover(services, shared_lake, points, scoreboard, snapshots)
        if last_kill:
            scoreboard.recovered(Fault.SPARK, done - last_kill)
        scoreboard.judge(Fault.SPARK, oracle.score_events(services.conf, shared_lake))
        before, after = snapshots[0], oracle.contents(shared_lake)
        for name in oracle.DERIVED_TABLES:
            complete = (before[name] or [], after[name])
            assert all((snapshot[name] or []) in complete for snapshot in snapshots), (
                f"{name} was half written"
            )

    without_faults = services.new_lake()
    land_all(services, without_faults)
    assert run_spark(services, without_faults).returncode == 0
    expected = oracle.contents(without_faults)
    for name, rows in oracle.contents(shared_lake).items():
        assert rows == expected[name], f"{name} differs from its content without faults"


def schedule(rng: Random, for_suite: Callable[[int, int], int]) -> list[str]:
    """Failpoints to kill at, in the order in which they are passed, as committed work is not repeated."""
    events_points = [f"{point}:{rng.randint(1, 2)}" for point in EVENTS_POINTS]
    if for_suite(0, 1):
        return [*events_points, *KPI_POINTS] * 2
    return [rng.choice([*events_points, *KPI_POINTS])]


def kill_and_recover(
    services: Services, lake: str, points: list[str], scoreboard: Scoreboard, snapshots: list[dict]
) -> tuple[float, float | None]:
    """Kill runs at the next failpoints until a run succeeds.

    Args:
        points: Failpoints left; those that were hit are removed.
        snapshots: Receives the content of the derived tables after each kill.

    Returns:
        The times of the success and of the last kill, by `time.monotonic`.
    """
    last_kill = None
    for attempt in range(KILLS_PER_ROUND + 1):
        point = points[0] if points and attempt < KILLS_PER_ROUND else ""
        run = run_spark(services, lake, kill_at=point)
        at = time.monotonic()
        if run.returncode == 0:
            if point:  # no work was left that passes the failpoint
                points[0] = point.removesuffix(":2")
            return at, last_kill
        assert run.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL, 1}, run.stderr
        assert point, run.stderr
        assert "rows written" not in run.stdout
        last_kill = at
        scoreboard.kill(Fault.SPARK, points.pop(0).removesuffix(":1").removesuffix(":2"))
        snapshots.append(oracle.contents(lake))
    raise AssertionError("not reached")
