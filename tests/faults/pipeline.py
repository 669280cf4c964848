"""Whole steps of the pipeline, which tests run between faults."""

import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from random import Random

from faults import oracle
from faults.services import Services
from shopnow.events import TOPICS
from shopnow.failpoints import ENV_VARIABLE
from shopnow.lake.ingest.landing import land
from shopnow.local_stack import jvm, spark
from shopnow.traffic.generate import generate
from shopnow_spark import small_changes
from support import isolated_process


def land_all(services: Services, lake: str) -> None:
    """Land all topics of the shop."""
    for topic in TOPICS.values():
        isolated_process.call(land, services.conf, lake, topic)


def refresh(services: Services, lake: str) -> None:
    """Compute the KPIs of a lake with Sail, without a fault."""
    assert isolated_process.call(small_changes.refresh, services.engine_url, lake)


def require_same_as_without_faults(services: Services, lake: str, computed_at: datetime, rng: Random) -> None:
    """Require that the lake's tables are those of a lake that is computed now.

    Args:
        computed_at: when the lake was computed last.
    """
    other = services.new_lake()
    land_all(services, other)
    refresh(services, other)
    if _hour(datetime.now(UTC)) != _hour(computed_at):
        # Trends end at the hour of their computation, so both lakes get new events in the same one.
        generate(services.conf, str(uuid.uuid4()), sessions=60, seed=rng.randrange(2**31))
        for each in (lake, other):
            land_all(services, each)
            refresh(services, each)
    expected = oracle.contents(other)
    for name, rows in oracle.contents(lake).items():
        assert rows == expected[name], f"{name} differs from its content without faults"


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def run_small_change(services: Services, lake: str, kill_at: str) -> subprocess.CompletedProcess[str]:
    """Compute the KPIs with Sail in a process of its own, which is killed at a failpoint."""
    call = f"small_changes.refresh({services.engine_url!r}, {lake!r})"
    code = f"from shopnow_spark import small_changes; assert {call}"
    environment = os.environ | {ENV_VARIABLE: kill_at}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


def run_spark(
    services: Services, lake: str, kill_at: str = "", application: str = "compute_kpis.py", *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a Spark application; `kill_at` names a failpoint at which the driver is killed."""
    settings = services.settings
    environment = os.environ | spark.environment(settings, jvm.java_home(settings.data_dir))
    environment |= {ENV_VARIABLE: kill_at, "PYTHONPATH": os.environ["PYTHONPATH"]}
    command = spark.submit_command(application, "--lake", lake, *arguments)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
