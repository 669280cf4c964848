"""Sail killed or frozen while it computes: the run goes on with spark-submit, and nothing differs."""

import os
import signal
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

import pytest

from faults.pipeline import land_all, require_same_as_without_faults, run_spark
from faults.scoreboard import Fault, Scoreboard
from faults.services import Services
from shopnow.traffic.generate import generate
from shopnow_spark import connect, planning, small_changes
from support import isolated_process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_spark_submit_goes_on(
    services: Services, rng: Random, scoreboard: Scoreboard, number: signal.Signals
) -> None:
    generate(services.conf, str(uuid.uuid4()), sessions=60, seed=rng.randrange(2**31))
    lake, engine = services.new_lake(), services.pid("sail")
    land_all(services, lake)
    assert not isolated_process.call(refresh_and_strike, services.engine_url, lake, engine, number)
    struck_at, computed_at = time.monotonic(), datetime.now(UTC)
    scoreboard.kill(Fault.ENGINE, number.name)
    run = run_spark(services, lake)
    assert run.returncode == 0, run.stderr
    assert "rows written" in run.stdout
    scoreboard.recovered(Fault.ENGINE, time.monotonic() - struck_at)
    if number is signal.SIGSTOP:
        os.kill(engine, signal.SIGCONT)
    services.await_ready()
    require_same_as_without_faults(services, lake, computed_at, rng)


def refresh_and_strike(url: str, lake: str, engine: int, number: signal.Signals) -> bool:
    """Refresh with Sail, and send its process a signal when the first KPI is about to be computed."""
    connect.CHANNEL_OPTIONS[:] = [(name, min(limit, 2_000)) for name, limit in connect.CHANNEL_OPTIONS]
    failpoint: Callable[[str], None] = planning.failpoint

    def strike(point: str) -> None:
        planning.failpoint = failpoint
        os.kill(engine, number)

    planning.failpoint = strike
    return small_changes.refresh(url, lake)
