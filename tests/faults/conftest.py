"""The fault suite: kills its services while the pipeline works; has a seed and a scoreboard.

`--chaos=short`, the default, takes minutes; `--chaos=full` is what `./shopnow chaos` runs. Every random
choice follows from `--chaos-seed`, which is printed with the scoreboard.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from faults.scoreboard import Scoreboard
from faults.services import Services
from faults.source import Source
from shopnow.traffic.generate import generate
from support import kafka_topics
from support.free_ports import settings_on_free_ports
from support.storage_services import without_optimizing_compiler

SESSIONS = 200
SCOREBOARD = pytest.StashKey[Scoreboard]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption(
        "--chaos", choices=["short", "full"], default="short", help="how often each fault is injected"
    )
    group.addoption("--chaos-seed", type=int, help="replay the run with this seed")
    group.addoption("--chaos-report", type=Path, help="write the scoreboard to this file, as JSON")


def _option(config: pytest.Config, name: str, default: object = None) -> object:
    # If other tests run too, pytest loads this file too late to register its options.
    return config.getoption(name, default)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of the full suite from the short one, and print how many they are."""
    if _option(config, "chaos") == "full":
        return
    full_only = [item for item in items if item.get_closest_marker("full_suite")]
    if full_only:
        config.hook.pytest_deselected(items=full_only)
        items[:] = [item for item in items if item not in full_only]
        capture = config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print(
                f"faults: {len(full_only)} tests run in the full suite only: ./shopnow chaos", file=sys.stderr
            )


def pytest_collection_finish(session: pytest.Session) -> None:
    seed = int(str(_option(session.config, "chaos_seed") or os.environ["SHOPNOW_CHAOS_SEED"]))
    capture = session.config.pluginmanager.getplugin("capturemanager")

    def print_progress(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"  {line}", file=sys.stderr, flush=True)

    is_quiet = _option(session.config, "chaos_report") is None
    board = Scoreboard(seed, (lambda line: None) if is_quiet else print_progress)
    session.config.stash[SCOREBOARD] = board


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    board = config.stash.get(SCOREBOARD, None)
    if board and board.entries:
        terminalreporter.section(f"faults, seed {board.seed}")
        for line in board.lines():
            terminalreporter.write_line(line)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Print a failure at once, as pytest's own report may come an hour later."""
    if report.failed:
        print(f"\n{report.longreprtext}", file=sys.stderr, flush=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    report = _option(session.config, "chaos_report")
    if isinstance(report, Path):
        report.write_text(json.dumps(session.config.stash[SCOREBOARD].report()))


@pytest.fixture(scope="session")
def scoreboard(request: pytest.FixtureRequest) -> Scoreboard:
    return request.config.stash[SCOREBOARD]


@pytest.fixture(scope="session")
def for_suite(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Choose between the count for the short and the count for the full suite."""
    is_full = _option(request.config, "chaos") == "full"
    return lambda short, full: full if is_full else short


@pytest.fixture
def rng(request: pytest.FixtureRequest, scoreboard: Scoreboard) -> Random:
    """The test's random generator, which depends on the seed and not on which other tests run."""
    return Random(f"{scoreboard.seed} {request.path.name} {request.node.name}")


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory, scoreboard: Scoreboard) -> Iterator[Services]:
    """Running services with one day of traffic in the topics."""
    services = Services(settings_on_free_ports(tmp_path_factory.mktemp("faults")))
    try:
        with without_optimizing_compiler():
            services.up()
        generate(services.conf, "before", SESSIONS, scoreboard.seed)
        yield services
    finally:
        services.down()


@pytest.fixture(scope="session")
def shared_lake(services: Services) -> str:
    """A lake shared by all tests, which must leave it intact.

    In the end its KPIs must equal those of a lake that met no fault.
    """
    return services.new_lake()


@pytest.fixture
def source(services: Services) -> Iterator[Source]:
    """A new topic and an empty lake for the test."""
    with kafka_topics.topic(services.conf) as name:
        yield Source(services, name)
