"""The Spark driver, killed at every point of its jobs: every table is as before or as after, and in the end as without faults."""

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
"""Passed once for each topic."""
KPI_POINTS = tuple(f"{kpi.name.replace('/', ':')}{end}" for kpi in KPIS for end in ("", "_committed"))


KILLS_A_ROUND = 4


def test_killed_at_every_point(
    services: Services,
    battered: str,
    chance: Random,
    scoreboard: Scoreboard,
    often: Callable[[int, int], int],
) -> None:
    points = schedule(chance, often)
    while points:
        generate(services.conf, str(uuid.uuid4()), sessions=60, seed=chance.randrange(2**31))
        land_all(services, battered)
        seen = [oracle.contents(battered)]
        done, last_kill = kill_and_recover(services, battered, points, scoreboard, seen)
        if last_kill:
            scoreboard.recovered(Fault.SPARK, done - last_kill)
        scoreboard.judge(Fault.SPARK, oracle.score_events(services.conf, battered))
        before, after = seen[0], oracle.contents(battered)
        for name in oracle.DERIVED_TABLES:
            whole = (before[name] or [], after[name])
            assert all((each[name] or []) in whole for each in seen), f"{name} was seen half done"

    without_faults = services.new_lake()
    land_all(services, without_faults)
    assert run_spark(services, without_faults).returncode == 0
    expected = oracle.contents(without_faults)
    for name, rows in oracle.contents(battered).items():
        assert rows == expected[name], f"{name} is not what it is without faults"


def schedule(chance: Random, often: Callable[[int, int], int]) -> list[str]:
    """Points to kill at, in the order they are passed, as what is committed is not done again."""
    events_points = [f"{point}:{chance.randint(1, 2)}" for point in EVENTS_POINTS]
    if often(0, 1):
        return [*events_points, *KPI_POINTS] * 2
    return [chance.choice([*events_points, *KPI_POINTS])]


def kill_and_recover(
    services: Services, lake: str, points: list[str], scoreboard: Scoreboard, seen: list[dict]
) -> tuple[float, float | None]:
    """Kills runs at the next of the points, which it takes away, until one ends well: when that was, and the last kill.

    What the derived tables hold after each kill is added to `seen`.
    """
    last_kill = None
    for nth in range(KILLS_A_ROUND + 1):
        point = points[0] if points and nth < KILLS_A_ROUND else ""
        run = run_spark(services, lake, kill_at=point)
        at = time.monotonic()
        if run.returncode == 0:
            if point:  # it had no work left that passes there
                points[0] = point.removesuffix(":2")
            return at, last_kill
        assert run.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL, 1}, run.stderr
        assert point, run.stderr
        assert "rows written" not in run.stdout
        last_kill = at
        scoreboard.kill(Fault.SPARK, points.pop(0).removesuffix(":1").removesuffix(":2"))
        seen.append(oracle.contents(lake))
    raise AssertionError("not reached")
