"""The fault suite: real services of its own that are killed while the pipeline works, a seed, and a scoreboard.

`--chaos=short`, the default, takes minutes; `--chaos=full` is what `./shopnow chaos` runs. All that is left to chance
follows from `--chaos-seed`, which is printed with the scoreboard.
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
from shopnow.settings import Settings
from shopnow.traffic.generate import generate
from support import kafka_topics

SESSIONS = 400
SCOREBOARD = pytest.StashKey[Scoreboard]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption(
        "--chaos", choices=["short", "full"], default="short", help="how often each fault is tried"
    )
    group.addoption("--chaos-seed", type=int, help="replay the run with this seed")
    group.addoption("--chaos-report", type=Path, help="write the scoreboard to this file, as JSON")


def _option(config: pytest.Config, name: str, default: object = None) -> object:
    # Where other tests are run too, pytest reads this file too late to know its options.
    return config.getoption(name, default)


def pytest_collection_finish(session: pytest.Session) -> None:
    seed = int(str(_option(session.config, "chaos_seed") or os.environ["SHOPNOW_CHAOS_SEED"]))
    capture = session.config.pluginmanager.getplugin("capturemanager")

    def tell(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"  {line}", file=sys.stderr, flush=True)

    quiet = _option(session.config, "chaos_report") is None
    board = Scoreboard(seed, (lambda line: None) if quiet else tell)
    session.config.stash[SCOREBOARD] = board


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    board = config.stash.get(SCOREBOARD, None)
    if board and board.entries:
        terminalreporter.section(f"faults, seed {board.seed}")
        for line in board.lines():
            terminalreporter.write_line(line)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Says at once what went wrong: the whole of it comes only at the end, which may be an hour away."""
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
def often(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Of two counts the one for the short or for the full suite."""
    full = _option(request.config, "chaos") == "full"
    return lambda short, long: long if full else short


@pytest.fixture
def chance(request: pytest.FixtureRequest, scoreboard: Scoreboard) -> Random:
    """The test's source of choices: the same for the same seed, whatever other tests run."""
    return Random(f"{scoreboard.seed} {request.path.name} {request.node.name}")


@pytest.fixture(scope="session")
def services(
    tmp_path_factory: pytest.TempPathFactory,
    settings_on_free_ports: Callable[[Path], Settings],
    scoreboard: Scoreboard,
) -> Iterator[Services]:
    """Running services, with the traffic of a day on the topics."""
    services = Services(settings_on_free_ports(tmp_path_factory.mktemp("faults")))
    try:
        services.up()
        generate(services.conf, "before", SESSIONS, scoreboard.seed)
        yield services
    finally:
        services.down()


@pytest.fixture(scope="session")
def battered(services: Services) -> str:
    """A lake that is there for all tests: each leaves it whole, and in the end its KPIs have to be those of a lake that met no fault."""
    return services.new_lake()


@pytest.fixture
def source(services: Services) -> Iterator[Source]:
    with kafka_topics.topic(services.conf) as name:
        yield Source(services, name)
