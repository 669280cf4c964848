"""Landing, killed anywhere or run twice: each record exactly once, and the score would tell if not."""

import signal
import time
import uuid
from collections.abc import Callable
from random import Random

import pytest

from support import isolated_process
from faults import oracle, worker
from faults.scoreboard import Fault, Scoreboard
from faults.services import Services
from shopnow.events import TOPICS
from shopnow.lake.ingest.landing import FAILPOINTS, land
from shopnow.traffic.generate import generate

SMALL = 25
"""Rows a file, so that each kill point is passed often."""

Often = Callable[[int, int], int]


def test_killed_at_every_point(
    services: Services, battered: str, chance: Random, scoreboard: Scoreboard, often: Often
) -> None:
    rounds = often(1, 10)
    for nth in range(1, rounds + 1):
        lake = battered if nth == rounds else services.new_lake()
        topics = [
            "views",
            *chance.sample(sorted(TOPICS.keys() - {"views"}), often(2, 5) if nth == rounds else 1),
        ]
        chance.shuffle(topics)
        for point in chance.sample(FAILPOINTS, len(FAILPOINTS)):
            killed = kill(services, lake, topics, point, chance)
            scoreboard.kill(Fault.LANDING, point)
        for topic in topics:
            isolated_process.call(land, services.conf, lake, TOPICS[topic])
        scoreboard.recovered(Fault.LANDING, time.monotonic() - killed.at)
        scoreboard.judge(Fault.LANDING, oracle.score_raw(services.conf, lake, topics))


def kill(services: Services, lake: str, topics: list[str], point: str, chance: Random) -> worker.Ended:
    """A run over these topics that was killed at that point, at one of its first passages."""
    passage = chance.randint(1, 3)
    while True:
        ended = worker.run(
            "land",
            kill_at=f"{point}:{passage}",
            conf=services.conf,
            lake=lake,
            topics=topics,
            batch_rows=SMALL,
        )
        if ended.code == -signal.SIGKILL:
            return ended
        if ended.hung:
            continue
        assert ended.code == 0, ended.errors
        # Everything was landed before it came to that: more is needed.
        passage = 1
        generate(services.conf, str(uuid.uuid4()), sessions=30, seed=chance.randrange(2**31))


def test_a_second_run_commits_nothing(services: Services, battered: str, scoreboard: Scoreboard) -> None:
    for topic in TOPICS.values():
        first = isolated_process.call(land, services.conf, battered, topic)
        second = isolated_process.call(land, services.conf, battered, topic)
        assert (second.rows, second.commits, second.version) == (0, 0, first.version)
    scoreboard.judge(Fault.TWICE, oracle.score_raw(services.conf, battered))


def test_two_runs_at_once(services: Services, scoreboard: Scoreboard, often: Often) -> None:
    for _ in range(often(1, 4)):
        lake, topics = services.new_lake(), ["views", "orders"]
        both = [
            worker.Worker("land", conf=services.conf, lake=lake, topics=topics, batch_rows=SMALL * 8)
            for _ in range(2)
        ]
        answers = [each.wait() for each in both]
        assert [each.code for each in answers] == [0, 0], answers
        scoreboard.judge(Fault.TWICE, oracle.score_raw(services.conf, lake, topics))
        landed = sum(each.answer[topic]["rows"] for each in answers for topic in topics)
        assert landed == sum(
            truth.total() for truth in oracle.records_in_ledger(services.conf, topics).values()
        )


@pytest.mark.parametrize("mutation", ["no_offsets_in_commits", "landed_offsets_ignored"])
def test_the_score_tells_of_a_kill_without_protection_against_repeats(
    services: Services, mutation: str
) -> None:
    assert score_without(mutation, services).duplicated > 0


def test_the_score_tells_of_a_kill_between_offsets_and_rows(services: Services) -> None:
    assert score_without("offsets_before_rows", services).lost > 0


def score_without(mutation: str, services: Services) -> oracle.Score:
    """The score of a run that was killed right after a commit, and run again, both without a protection."""
    run = {"conf": services.conf, "lake": services.new_lake(), "topics": ["views"], "mutation": mutation}
    assert worker.run("land", kill_at="land:committed:2", batch_rows=SMALL, **run).code == -signal.SIGKILL
    assert worker.run("land", **run).code == 0
    return oracle.score_raw(services.conf, run["lake"], ["views"])


def test_the_score_tells_of_two_runs_at_once_without_protection(services: Services) -> None:
    lake, run = (
        services.new_lake(),
        {"conf": services.conf, "topics": ["views"], "mutation": "no_offsets_in_commits"},
    )
    both = [worker.Worker("land", lake=lake, **run) for _ in range(2)]
    assert [each.wait().code for each in both] == [0, 0]
    assert oracle.score_raw(services.conf, lake, ["views"]).duplicated > 0
