"""Kafka, the NameNode and the DataNode killed or frozen during a step: a retry completes the step."""

import signal
import time
import uuid
from collections.abc import Callable
from random import Random
from typing import Any

import psutil
import pytest

from faults import oracle, worker
from faults.scoreboard import Fault, Scoreboard
from faults.services import Services
from faults.worker import Strike, Worker
from shopnow.events import TOPICS
from shopnow.lake.ingest.landing import land
from shopnow.local_stack import supervision
from shopnow.traffic import generate
from support import isolated_process

BATCH_ROWS = 25
ForSuite = Callable[[int, int], int]


def test_broker_killed_while_producing(
    services: Services, rng: Random, scoreboard: Scoreboard, for_suite: ForSuite
) -> None:
    for _ in range(for_suite(1, 10)):
        run = {
            "conf": services.conf,
            "run_id": str(uuid.uuid4()),
            "sessions": 120,
            "seed": rng.randrange(2**31),
        }
        point = rng.choice(generate.FAILPOINTS)
        seconds = survive(services, "kafka", signal.SIGKILL, point, rng, "traffic", **run)
        scoreboard.kill(Fault.BROKER, point)
        scoreboard.recovered(Fault.BROKER, seconds)
        assert worker.run("traffic", **run).answer["already_done"]
        scoreboard.judge(Fault.BROKER, oracle.score_topics(services.conf))


def test_broker_killed_while_fetching(
    services: Services, shared_lake: str, rng: Random, scoreboard: Scoreboard, for_suite: ForSuite
) -> None:
    for _ in range(for_suite(1, 10)):
        point = rng.choice(["land:plan", "land:read", "land:commit"])
        land_through(services, shared_lake, "kafka", signal.SIGKILL, point, Fault.BROKER, rng, scoreboard)


def test_namenode_killed_before_during_and_after_a_commit(
    services: Services, shared_lake: str, rng: Random, scoreboard: Scoreboard, for_suite: ForSuite
) -> None:
    for _ in range(for_suite(1, 4)):
        for point in rng.sample(["land:plan", "land:commit", "land:committed"], for_suite(1, 3)):
            land_through(
                services, shared_lake, "namenode", signal.SIGKILL, point, Fault.NAMENODE, rng, scoreboard
            )


@pytest.mark.full_suite(reason="the HDFS client takes a minute to give up")
def test_datanode_killed_while_writing(
    services: Services, shared_lake: str, rng: Random, scoreboard: Scoreboard
) -> None:
    for _ in range(5):
        land_through(
            services, shared_lake, "datanode", signal.SIGKILL, "land:write", Fault.DATANODE, rng, scoreboard
        )


def test_datanode_frozen_while_writing(
    services: Services, shared_lake: str, rng: Random, scoreboard: Scoreboard, for_suite: ForSuite
) -> None:
    for _ in range(for_suite(1, 5)):
        land_through(
            services, shared_lake, "datanode", signal.SIGSTOP, "land:write", Fault.DATANODE, rng, scoreboard
        )


def land_through(
    services: Services,
    lake: str,
    name: str,
    signal_: int,
    point: str,
    fault: Fault,
    rng: Random,
    scoreboard: Scoreboard,
) -> None:
    """Land new traffic while the service receives the signal when the run passes the failpoint."""
    topics = ["views", rng.choice(sorted(TOPICS.keys() - {"views"}))]
    for topic in topics:
        isolated_process.call(land, services.conf, lake, TOPICS[topic])
    generate.generate(services.conf, str(uuid.uuid4()), sessions=60, seed=rng.randrange(2**31))
    run = {"conf": services.conf, "lake": lake, "topics": topics, "batch_rows": BATCH_ROWS}
    seconds = survive(services, name, signal_, point, rng, "land", **run)
    scoreboard.kill(fault, f"{point}{' (frozen)' if signal_ == signal.SIGSTOP else ''}")
    scoreboard.recovered(fault, seconds)
    scoreboard.judge(fault, oracle.score_raw(services.conf, lake, topics))


def survive(
    services: Services, name: str, signal_: int, point: str, rng: Random, step: str, **run: Any
) -> float:
    """Run the step, strike the service concurrently, and retry until the step succeeds.

    Returns:
        Seconds from the strike to the end of the step.
    """
    passage = 1 if point == "land:plan" else rng.randint(1, 2)
    pid = services.pid(name)
    strike = Strike(point, passage, pid, signal_, delay=rng.choice([0, rng.uniform(0, 0.2)]))
    process = Worker(step, strike=strike, **run)

    def is_hit() -> bool:
        return services.is_frozen(name) if signal_ == signal.SIGSTOP else not psutil.pid_exists(pid)

    supervision.wait_until(lambda: is_hit() or process.has_ended(), 120, interval=0.02)
    at = time.monotonic()
    # The step may have ended just after it struck.
    assert supervision.wait_until(is_hit, 5, interval=0.02), (
        f"the step ended before it passed {point}: {process.wait()}"
    )
    if signal_ == signal.SIGSTOP:
        time.sleep(rng.uniform(1, 8))  # the duration of the freeze, not a wait for something
        services.thaw(name)
    ended = process.wait()
    # Airflow waits longer before a retry than a service takes to restart and a NameNode stays in safe mode.
    services.await_ready()
    return worker.retried(ended, step, **run).at - at
