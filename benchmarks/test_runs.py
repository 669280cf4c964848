"""Measure the test suite: run it several times, and list the time of each tier and what failed in some runs.

    .venv/bin/python benchmarks/test_runs.py --runs 10

Prints a line per run when it has ended, then the median of each tier and the slowest tests of the last run.
A test that failed in some runs and passed in others is flaky; exits 1 if any test failed in any run.
"""

import argparse
import json
import statistics
import subprocess
import time
from typing import Any

import workbench  # noqa: F401  (puts the project's folders on sys.path)
from rich.console import Console
from rich.table import Table

from shopnow.cli.test import RESULTS
from shopnow.cli.tiers import TIERS
from shopnow.settings import ROOT


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--slowest", type=int, default=20, help="number of tests to list")
    options = parser.parse_args()
    runs = []
    for number in range(1, options.runs + 1):
        runs.append(measure())
        print(f"run {number} of {options.runs}: {', '.join(cells(runs[-1]))}", flush=True)
    console = Console(width=160)
    console.print(table(runs))
    slowest = sorted(
        ((seconds, test) for tier in runs[-1]["tiers"].values() for test, seconds in tier["tests"].items()),
        reverse=True,
    )
    for seconds, test in slowest[: options.slowest]:
        print(f"{seconds:7.1f} s  {test}")
    failed = {test for run in runs for test in run["failed"]}
    flaky = {test for test in failed if not all(test in run["failed"] for run in runs)}
    print(f"{len(failed)} tests failed in some run, {len(flaky)} of them not in every run: {sorted(failed)}")
    return 1 if failed or any(run["code"] for run in runs) else 0


def measure() -> dict[str, Any]:
    """Run everything once; returns its exit code, seconds, tiers and failed tests."""
    start = time.monotonic()
    code = subprocess.run([ROOT / "shopnow", "test"], stdout=subprocess.DEVNULL, check=False).returncode
    seconds = time.monotonic() - start
    tiers = {name: json.loads((RESULTS / f"{name}.json").read_text()) for name in TIERS}
    failed = sorted({test for tier in tiers.values() for test in tier["failed"]})
    return {"code": code, "seconds": seconds, "tiers": tiers, "failed": failed}


def cells(run: dict[str, Any]) -> list[str]:
    """Return the cells of a run's row: seconds in all and by tier, tests, failed tests, exit code."""
    tiers = run["tiers"].values()
    seconds = [f"{value:.0f} s" for value in (run["seconds"], *(tier["seconds"] for tier in tiers))]
    return [
        *seconds,
        str(sum(len(tier["tests"]) for tier in tiers)),
        str(len(run["failed"])),
        str(run["code"]),
    ]


def table(runs: list[dict[str, Any]]) -> Table:
    result = Table("run", "whole", *TIERS, "tests", "failed", "exit code", title="Whole test runs")
    for number, run in enumerate(runs, 1):
        result.add_row(str(number), *cells(run))
    medians = [statistics.median(run["tiers"][name]["seconds"] for run in runs) for name in TIERS]
    whole = statistics.median(run["seconds"] for run in runs)
    result.add_row("median", f"{whole:.0f} s", *(f"{seconds:.0f} s" for seconds in medians), "", "", "")
    return result


if __name__ == "__main__":
    raise SystemExit(main())
