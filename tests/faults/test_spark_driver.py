"""The Spark driver killed at every failpoint: no table is half written, the result is as without faults."""

import signal
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from subprocess import CompletedProcess

from faults import oracle
from faults.pipeline import (
    land_all,
    refresh,
    require_same_as_without_faults,
    run_small_change,
    run_spark,
)
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
        run = rng.choice((run_small_change, run_spark)) if for_suite(0, 1) else run_small_change
        kill(run, services, shared_lake, points, scoreboard, snapshots)
        last_kill, computed_at = time.monotonic(), datetime.now(UTC)
        refresh(services, shared_lake)
        scoreboard.recovered(Fault.SPARK, time.monotonic() - last_kill)
        scoreboard.judge(Fault.SPARK, oracle.score_events(services.conf, shared_lake))
        before, after = snapshots[0], oracle.contents(shared_lake)
        for name in oracle.DERIVED_TABLES:
            complete = (before[name] or [], after[name])
            assert all((snapshot[name] or []) in complete for snapshot in snapshots), (
                f"{name} was half written"
            )

    require_same_as_without_faults(services, shared_lake, computed_at, rng)


def schedule(rng: Random, for_suite: Callable[[int, int], int]) -> list[str]:
    """Failpoints to kill at, in the order in which they are passed, as committed work is not repeated."""
    events_points = [f"{point}:{rng.randint(1, 2)}" for point in EVENTS_POINTS]
    if for_suite(0, 1):
        return [*events_points, *KPI_POINTS] * 2
    return [rng.choice([*events_points, *KPI_POINTS])]


def kill(
    run_killed: Callable[[Services, str, str], CompletedProcess[str]],
    services: Services,
    lake: str,
    points: list[str],
    scoreboard: Scoreboard,
    snapshots: list[dict],
) -> None:
    """Kill runs at the next failpoints, or until a run succeeds, as no work is left that passes the next one.

    Args:
        points: Failpoints left; those that were hit are removed.
        snapshots: Receives the content of the derived tables after each kill.
    """
    for _ in range(min(KILLS_PER_ROUND, len(points))):
        run = run_killed(services, lake, points[0])
        if run.returncode == 0:
            points[0] = points[0].removesuffix(":2")
            break
        assert run.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL, 1}, run.stderr
        assert "rows written" not in run.stdout
        scoreboard.kill(Fault.SPARK, points.pop(0).removesuffix(":1").removesuffix(":2"))
        snapshots.append(oracle.contents(lake))
