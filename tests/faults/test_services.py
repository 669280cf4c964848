"""The broker, the NameNode and the DataNode killed or frozen while traffic is made and landed; the step goes on or is tried again."""

import signal
import time
import uuid
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from support import isolated_process
from faults import oracle, worker
from faults.scoreboard import Fault, Scoreboard
from faults.services import Services
from faults.worker import Strike, Worker
from shopnow.events import TOPICS
from shopnow.lake.ingest.landing import land
from shopnow.local_stack import supervision
from shopnow.traffic import generate

SMALL = 25
Often = Callable[[int, int], int]


def test_broker_killed_while_producing(
    services: Services, chance: Random, scoreboard: Scoreboard, often: Often
) -> None:
    for _ in range(often(1, 10)):
        run = {
            "conf": services.conf,
            "run_id": str(uuid.uuid4()),
            "sessions": 120,
            "seed": chance.randrange(2**31),
        }
        point = chance.choice(generate.FAILPOINTS)
        seconds = survive(services, "kafka", signal.SIGKILL, point, chance, "traffic", **run)
        scoreboard.kill(Fault.BROKER, point)
        scoreboard.recovered(Fault.BROKER, seconds)
        assert worker.run("traffic", **run).answer["already_done"]
        scoreboard.judge(Fault.BROKER, oracle.score_topics(services.conf))


def test_broker_killed_while_fetching(
    services: Services, battered: str, chance: Random, scoreboard: Scoreboard, often: Often
) -> None:
    for _ in range(often(1, 10)):
        point = chance.choice(["land:plan", "land:read", "land:commit"])
        land_through(services, battered, "kafka", signal.SIGKILL, point, Fault.BROKER, chance, scoreboard)


def test_namenode_killed_before_during_and_after_a_commit(
    services: Services, battered: str, chance: Random, scoreboard: Scoreboard, often: Often
) -> None:
    for _ in range(often(1, 4)):
        for point in chance.sample(["land:plan", "land:commit", "land:committed"], often(1, 3)):
            land_through(
                services, battered, "namenode", signal.SIGKILL, point, Fault.NAMENODE, chance, scoreboard
            )


def test_datanode_killed_while_writing(
    services: Services, battered: str, chance: Random, scoreboard: Scoreboard, often: Often
) -> None:
    if not often(0, 1):
        pytest.skip("in the full suite only: the HDFS client takes a minute to give up")
    for _ in range(5):
        land_through(
            services, battered, "datanode", signal.SIGKILL, "land:write", Fault.DATANODE, chance, scoreboard
        )


def test_datanode_frozen_while_writing(
    services: Services, battered: str, chance: Random, scoreboard: Scoreboard, often: Often
) -> None:
    for _ in range(often(1, 5)):
        land_through(
            services, battered, "datanode", signal.SIGSTOP, "land:write", Fault.DATANODE, chance, scoreboard
        )


def land_through(
    services: Services,
    lake: str,
    name: str,
    signal_: int,
    point: str,
    fault: Fault,
    chance: Random,
    scoreboard: Scoreboard,
) -> None:
    """Lands new traffic while the service is struck as the run passes the point."""
    topics = ["views", chance.choice(sorted(TOPICS.keys() - {"views"}))]
    for topic in topics:
        isolated_process.call(land, services.conf, lake, TOPICS[topic])
    generate.generate(services.conf, str(uuid.uuid4()), sessions=60, seed=chance.randrange(2**31))
    run = {"conf": services.conf, "lake": lake, "topics": topics, "batch_rows": SMALL}
    seconds = survive(services, name, signal_, point, chance, "land", **run)
    scoreboard.kill(fault, f"{point}{' (frozen)' if signal_ == signal.SIGSTOP else ''}")
    scoreboard.recovered(fault, seconds)
    scoreboard.judge(fault, oracle.score_raw(services.conf, lake, topics))


def survive(
    services: Services, name: str, signal_: int, point: str, chance: Random, step: str, **run: Any
) -> float:
    """Runs the step while the service is struck, brings the service back, and tries again until the step is done.

    Returns:
        Seconds from the strike to the end of the step.
    """
    passage = 1 if point == "land:plan" else chance.randint(1, 2)
    strike = Strike(
        point, passage, services.pid(name), signal_, delay=chance.choice([0, chance.uniform(0, 0.2)])
    )
    struck = Worker(step, strike=strike, **run)

    def hit() -> bool:
        return services.frozen(name) if signal_ == signal.SIGSTOP else services.died(name)

    supervision.wait_until(lambda: hit() or struck.ended(), 120, interval=0.02)
    at = time.monotonic()
    # The strike may have come with the step's last breath.
    assert supervision.wait_until(hit, 5, interval=0.02), (
        f"the step ended before it came to {point}: {struck.wait()}"
    )
    if signal_ == signal.SIGSTOP:
        time.sleep(chance.uniform(1, 8))  # how long it is frozen, not how long something takes
        services.thaw(name)
    else:
        services.restart(name)
    return worker.retried(struck.wait(), step, **run).at - at
