"""Landing killed at every failpoint or run twice lands each record once; the score detects violations."""

import os
import signal
import time
import uuid
from collections.abc import Callable
from random import Random

import pytest

from faults import oracle, worker
from faults.scoreboard import Fault, Scoreboard
from faults.services import Services
from shopnow.events import TOPICS
from shopnow.lake.ingest.landing import FAILPOINTS, land
from shopnow.local_stack import supervision
from shopnow.traffic.generate import generate
from support import isolated_process

BATCH_ROWS = 25
"""Rows per file, so few that each failpoint is passed several times."""

ForSuite = Callable[[int, int], int]


def test_killed_at_every_point(
    services: Services, shared_lake: str, rng: Random, scoreboard: Scoreboard, for_suite: ForSuite
) -> None:
    rounds = for_suite(1, 10)
    for round_ in range(1, rounds + 1):
        lake = shared_lake if round_ == rounds else services.new_lake()
        topics = [
            "views",
            *rng.sample(sorted(TOPICS.keys() - {"views"}), for_suite(2, 5) if round_ == rounds else 1),
        ]
        rng.shuffle(topics)
        for point in rng.sample(FAILPOINTS, len(FAILPOINTS)):
            killed = kill(services, lake, topics, point, rng)
            scoreboard.kill(Fault.LANDING, point)
        for topic in topics:
            isolated_process.call(land, services.conf, lake, TOPICS[topic])
        scoreboard.recovered(Fault.LANDING, time.monotonic() - killed.at)
        scoreboard.judge(Fault.LANDING, oracle.score_raw(services.conf, lake, topics))


def kill(services: Services, lake: str, topics: list[str], point: str, rng: Random) -> worker.Ended:
    """Run landing until it is killed at one of its first passages of the failpoint."""
    passage = rng.randint(1, 3)
    while True:
        ended = worker.run(
            "land",
            kill_at=f"{point}:{passage}",
            conf=services.conf,
            lake=lake,
            topics=topics,
            batch_rows=BATCH_ROWS,
        )
        if ended.code == -signal.SIGKILL:
            return ended
        if ended.is_hung:
            continue
        assert ended.code == 0, ended.errors
        # Everything was landed before the failpoint was reached: the next run needs new traffic.
        passage = 1
        generate(services.conf, str(uuid.uuid4()), sessions=30, seed=rng.randrange(2**31))


def test_frozen_past_the_commit_of_another_run(
    services: Services, rng: Random, scoreboard: Scoreboard, for_suite: ForSuite
) -> None:
    """A run that is resumed after another one has landed its records commits none of them again."""
    freezes = for_suite(len(FAILPOINTS), 120)
    points = [
        point for _ in range(freezes // len(FAILPOINTS)) for point in rng.sample(FAILPOINTS, len(FAILPOINTS))
    ]
    for point in points:
        run = {
            "conf": services.conf,
            "lake": services.new_lake(),
            "topics": ["views"],
            "batch_rows": BATCH_ROWS,
        }
        passage = 1 if point == "land:plan" else rng.randint(1, 2)
        frozen = worker.Worker("land", strike=worker.Strike(point, passage, None, signal.SIGSTOP), **run)
        assert supervision.wait_until(frozen.is_frozen, 60, interval=0.02), f"{point} was not passed"
        try:
            assert worker.run("land", **run).code == 0
        finally:
            os.kill(frozen.pid, signal.SIGCONT)
        at = time.monotonic()
        scoreboard.kill(Fault.FROZEN, point)
        scoreboard.recovered(Fault.FROZEN, worker.retried(frozen.wait(), "land", **run).at - at)
        scoreboard.judge(Fault.FROZEN, oracle.score_raw(services.conf, run["lake"], run["topics"]))


def test_a_second_run_commits_nothing(services: Services, shared_lake: str, scoreboard: Scoreboard) -> None:
    for topic in TOPICS.values():
        first = isolated_process.call(land, services.conf, shared_lake, topic)
        second = isolated_process.call(land, services.conf, shared_lake, topic)
        assert (second.rows, second.commits, second.version) == (0, 0, first.version)
    scoreboard.judge(Fault.TWICE, oracle.score_raw(services.conf, shared_lake))


def test_two_runs_at_once(services: Services, scoreboard: Scoreboard, for_suite: ForSuite) -> None:
    for _ in range(for_suite(1, 4)):
        lake, topics = services.new_lake(), ["views", "orders"]
        workers = [
            worker.Worker("land", conf=services.conf, lake=lake, topics=topics, batch_rows=BATCH_ROWS * 8)
            for _ in range(2)
        ]
        results = [process.wait() for process in workers]
        assert [result.code for result in results] == [0, 0], results
        scoreboard.judge(Fault.TWICE, oracle.score_raw(services.conf, lake, topics))
        landed = sum(result.answer[topic]["rows"] for result in results for topic in topics)
        assert landed == sum(
            truth.total() for truth in oracle.records_in_ledger(services.conf, topics).values()
        )


@pytest.mark.parametrize("mutation", ["no_offsets_in_commits", "landed_offsets_ignored"])
def test_the_score_detects_repeats_after_a_kill_without_protection(services: Services, mutation: str) -> None:
    assert score_with(mutation, services).duplicated > 0


def test_the_score_detects_a_kill_between_the_commits_of_offsets_and_rows(services: Services) -> None:
    assert score_with("offsets_before_rows", services).lost > 0


def score_with(mutation: str, services: Services) -> oracle.Score:
    """Score a run that is killed right after a commit and then repeated, both with the mutation."""
    run = {"conf": services.conf, "lake": services.new_lake(), "topics": ["views"], "mutation": mutation}
    assert (
        worker.run("land", kill_at="land:committed:2", batch_rows=BATCH_ROWS, **run).code == -signal.SIGKILL
    )
    assert worker.run("land", **run).code == 0
    return oracle.score_raw(services.conf, run["lake"], ["views"])


def test_the_score_detects_two_concurrent_runs_without_protection(services: Services) -> None:
    lake, run = (
        services.new_lake(),
        {"conf": services.conf, "topics": ["views"], "mutation": "no_offsets_in_commits"},
    )
    workers = [worker.Worker("land", lake=lake, **run) for _ in range(2)]
    assert [process.wait().code for process in workers] == [0, 0]
    assert oracle.score_raw(services.conf, lake, ["views"]).duplicated > 0
