"""Full disks: each failure is one clear line, and freeing space is enough to continue."""

import json
import time
import uuid
from random import Random

import pytest

from faults import oracle, worker
from faults.pipeline import land_all, run_spark
from faults.scoreboard import Fault, Scoreboard
from faults.services import Disk, Services
from shopnow.local_stack import supervision
from shopnow.local_stack.services import namenode_info
from shopnow.traffic.generate import generate

pytestmark = pytest.mark.needs("mounts")


def test_full_disk_under_the_broker(
    services: Services, shared_lake: str, rng: Random, scoreboard: Scoreboard
) -> None:
    disk = require_mounted(services.disks["kafka"])
    run = {
        "conf": services.conf,
        "run_id": str(uuid.uuid4()),
        "sessions": 200,
        "seed": rng.randrange(2**31),
    }
    pid = services.pid("kafka")
    disk.fill()
    producing = worker.Worker("traffic", **run)
    services.await_death("kafka", pid, 120)  # a broker that cannot write its log stops
    disk.free()
    at = time.monotonic()
    scoreboard.recovered(Fault.DISK, worker.retried(producing.wait(), "traffic", **run).at - at)
    scoreboard.judge(Fault.DISK, oracle.score_topics(services.conf))


def test_full_disk_under_the_datanode(
    services: Services, shared_lake: str, rng: Random, scoreboard: Scoreboard
) -> None:
    disks = [require_mounted(services.disks[name]) for name in ("datanode", "datanode-2")]
    generate(services.conf, str(uuid.uuid4()), sessions=60, seed=rng.randrange(2**31))
    run = {"conf": services.conf, "lake": shared_lake, "topics": ["views", "orders"]}
    for disk in disks:
        disk.fill()
    failed = worker.run("land", **run)
    for disk in disks:
        disk.free()
    # The NameNode learns of the room by the heartbeats of the DataNodes.
    assert supervision.wait_until(lambda: min(free_bytes(services)) > 0, 60)
    at = time.monotonic()
    assert failed.code == 1
    scoreboard.recovered(Fault.DISK, worker.retried(failed, "land", **run).at - at)
    scoreboard.judge(Fault.DISK, oracle.score_raw(services.conf, shared_lake, run["topics"]))


@pytest.mark.full_suite(reason="three runs of Spark")
def test_full_disk_under_spark(
    services: Services, shared_lake: str, rng: Random, scoreboard: Scoreboard
) -> None:
    generate(services.conf, str(uuid.uuid4()), sessions=60, seed=rng.randrange(2**31))
    land_all(services, shared_lake)
    scratch = Disk(services.settings.data_dir / "spark" / "scratch")
    scratch.mount(1)
    require_mounted(scratch)
    try:
        scratch.fill()
        failed = run_spark(services, shared_lake)
        assert failed.returncode == 1, failed
        # spark-submit prints both streams of the application on its standard output.
        assert [
            line
            for line in failed.stdout.splitlines()
            if "Spark has no disk space for temporary files" in line
        ], failed.stdout
        assert "Traceback" not in failed.stdout
        scratch.free(64)
        at = time.monotonic()
        retry = run_spark(services, shared_lake)
        assert retry.returncode == 0, retry.stderr
        scoreboard.recovered(Fault.DISK, time.monotonic() - at)
    finally:
        scratch.unmount()
    scoreboard.judge(Fault.DISK, oracle.score_events(services.conf, shared_lake))


def free_bytes(services: Services) -> list[int]:
    """Return the free space of each DataNode as the NameNode knows it."""
    nodes = json.loads(namenode_info(services.settings)["LiveNodes"])
    return [node["remaining"] for node in nodes.values()]


def require_mounted(disk: Disk) -> Disk:
    """Return the disk, or fail the test if it could not be mounted."""
    if disk.mount_error:
        pytest.fail(
            f"{disk.mount_error}: run as root or where users may create namespaces, or leave these tests out "
            "with ./shopnow test --without mounts",
            pytrace=False,
        )
    return disk
