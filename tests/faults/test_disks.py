"""Disks that are full: each failure is one clear line, and room is all it takes to go on."""

import time
import uuid
from collections.abc import Callable
from random import Random

import pytest

from faults import oracle, worker
from faults.pipeline import land_all, run_spark
from faults.scoreboard import Fault, Scoreboard
from faults.services import Disk, Services
from shopnow.traffic.generate import generate

Often = Callable[[int, int], int]


def test_full_disk_under_the_broker(
    services: Services, battered: str, chance: Random, scoreboard: Scoreboard
) -> None:
    disk = mounted(services.disks["kafka"], scoreboard)
    run = {
        "conf": services.conf,
        "run_id": str(uuid.uuid4()),
        "sessions": 400,
        "seed": chance.randrange(2**31),
    }
    disk.fill()
    producing = worker.Worker("traffic", **run)
    services.await_death("kafka", 120)  # it can keep no promise any more
    disk.free()
    at = time.monotonic()
    services.restart("kafka")
    scoreboard.recovered(Fault.DISK, worker.retried(producing.wait(), "traffic", **run).at - at)
    scoreboard.judge(Fault.DISK, oracle.score_topics(services.conf))


def test_full_disk_under_the_datanode(
    services: Services, battered: str, chance: Random, scoreboard: Scoreboard
) -> None:
    disks = [mounted(services.disks[name], scoreboard) for name in ("datanode", "datanode-2")]
    generate(services.conf, str(uuid.uuid4()), sessions=60, seed=chance.randrange(2**31))
    run = {"conf": services.conf, "lake": battered, "topics": ["views", "orders"]}
    for disk in disks:
        disk.fill()
    refused = worker.run("land", **run)
    for disk in disks:
        disk.free()
    at = time.monotonic()
    assert refused.code == 1
    scoreboard.recovered(Fault.DISK, worker.retried(refused, "land", **run).at - at)
    scoreboard.judge(Fault.DISK, oracle.score_raw(services.conf, battered, run["topics"]))


def test_full_disk_under_spark(
    services: Services, battered: str, chance: Random, scoreboard: Scoreboard, often: Often
) -> None:
    if not often(0, 1):
        pytest.skip("in the full suite only: it takes three runs of Spark")
    generate(services.conf, str(uuid.uuid4()), sessions=60, seed=chance.randrange(2**31))
    land_all(services, battered)
    scratch = Disk(services.settings.data_dir / "spark" / "scratch")
    scratch.mount(1)
    mounted(scratch, scoreboard)
    try:
        scratch.fill()
        failed = run_spark(services, battered)
        assert failed.returncode == 1, failed
        # spark-submit prints what the application said, on either stream, to its standard output.
        assert [
            line for line in failed.stdout.splitlines() if "Spark has no room for its temporary files" in line
        ], failed.stdout
        assert "Traceback" not in failed.stdout
        scratch.free(64)
        at = time.monotonic()
        done = run_spark(services, battered)
        assert done.returncode == 0, done.stderr
        scoreboard.recovered(Fault.DISK, time.monotonic() - at)
    finally:
        scratch.unmount()
    scoreboard.judge(Fault.DISK, oracle.score_events(services.conf, battered))


def mounted(disk: Disk, scoreboard: Scoreboard) -> Disk:
    if disk.refused:
        scoreboard.skip(Fault.DISK, disk.refused)
        pytest.skip(disk.refused)
    return disk
