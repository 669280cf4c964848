"""Pytest plugin of `./shopnow test`: progress of a tier, time against budget, slowest tests."""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

PROGRESS_SECONDS = 10
SLOWEST = 10


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tier")
    group.addoption("--tier", help="name of the tier", default="tests")
    group.addoption("--tier-budget", type=int, help="seconds that it may take", default=0)
    group.addoption("--tier-report", type=Path, help="write times and failures to this file, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Report(config))


class _Report:
    """Prints to standard error, as standard output is the tier's log."""

    def __init__(self, config: pytest.Config) -> None:
        self._name, self._budget = config.getoption("tier"), config.getoption("tier_budget")
        self._capture = config.pluginmanager.getplugin("capturemanager")
        self._printed = time.monotonic()
        self._total = 0
        self._outcomes: Counter[str] = Counter()
        self._seconds: Counter[str] = Counter()
        self._failed: list[str] = []
        self._file: Path | None = config.getoption("tier_report")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._total = len(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        self._total = len(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[report.outcome] += 1
        if report.failed:
            self._failed.append(report.nodeid)
            self._print(f"FAILED {report.nodeid} ({report.when})\n{report.longreprtext}")
        if time.monotonic() - self._printed > PROGRESS_SECONDS:
            self._print_progress()

    def pytest_sessionfinish(self) -> None:
        self._print_progress()
        seconds = time.time() - psutil.Process().create_time()
        over = ", over it: make others cheaper" if self._budget and seconds > self._budget else ""
        self._print(f"{seconds:.0f} s of a budget of {self._budget} s{over}; the slowest:")
        for nodeid, duration in self._seconds.most_common(SLOWEST):
            self._print(f"{duration:8.1f} s  {nodeid}")
        if self._file:
            report = {"seconds": seconds, "tests": dict(self._seconds.most_common()), "failed": self._failed}
            self._file.write_text(json.dumps(report, indent=1))

    def _print_progress(self) -> None:
        self._printed = time.monotonic()
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self._outcomes.items()))
        self._print(f"{sum(self._outcomes.values())} of {self._total}: {counts or 'starting'}")

    def _print(self, text: str) -> None:
        with self._capture.global_and_fixture_disabled():
            for line in text.splitlines():
                print(f"{self._name}: {line}", file=sys.stderr, flush=True)
