"""Ten thousand hostile records, files, forms and requests through a stack of their own."""

import sys
from datetime import UTC, datetime
from random import Random

import pytest

from faults.oracle import Score
from faults.scoreboard import Fault, Scoreboard
from support import storm, storm_checks
from support.storm import Sizes, Stack, Storm

HALF = Sizes(records=3800, notes=150, forms=300, runs=12, requests=800, commands=11)
"""Items of each of the two halves, between which memory is measured."""
GROWTH_LIMIT = 1.25
"""Memory of a service after the second half of the storm, relative to that after the first."""


@pytest.mark.full_suite(reason="ten thousand items and every DAG take half an hour")
def test_ten_thousand_hostile_items(
    api, settings, shopnow, tmp_path, broken_checks, rng: Random, scoreboard: Scoreboard
):
    long = Storm(Stack(settings, api, shopnow, tmp_path), rng)
    memory = []
    for _ in range(2):
        since = datetime.now(UTC)
        long.deliver(HALF)
        long.settle()
        memory.append(storm_checks.memory(settings))
    assert long.items >= 10_000
    print(f"{long.items} items, memory {memory}", file=sys.stderr)
    lost = list(storm_checks.lost_records(settings.lake_uri, long.delivered))
    scoreboard.judge(Fault.STORM, Score(lost=len(lost)))
    assert list(long.problems()) == []
    # Afterwards, as it erases a customer from the records.
    storm.run_every_dag(api)
    assert broken_checks() == []
    assert [*long.logs.tracebacks(), *long.logs.failures()] == []
    assert storm.dags_without_success(api, since, storm.all_dags()) == []
    assert storm_checks.grown(*memory, GROWTH_LIMIT) == []
