"""`test`: the checks that CI runs: format, lint, types, and the tests in tiers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from shopnow.cli import test_tools
from shopnow.cli.mount_namespace import mount_prefix
from shopnow.cli.output import complain, say
from shopnow.cli.tiers import AT_ONCE, TIERS, Tier
from shopnow.errors import UserError
from shopnow.local_stack import marked_processes
from shopnow.local_stack.base_environment import RUN_VARIABLE
from shopnow.settings import ROOT

RESULTS = ROOT / ".test"
"""Logs and times of the tiers, and coverage data."""
STATIC_CHECKS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy"],
}
CHANGED_TIERS = ("unit", "services")
"""Tiers of `--changed`: their tests run the code in their own process, where it can be recorded."""
COVERED = ("include", "plugins", "spark_apps")
NO_TESTS = 5
"""Exit code of pytest."""


def run_checks(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TIER|PYTEST ARGUMENT]...",
            help=f"Tiers to run ({', '.join(TIERS)}; by default all), or arguments of pytest, such as "
            "tests/unit/lake or -k landing.",
        ),
    ] = None,
    changed: Annotated[
        bool,
        typer.Option(
            "--changed",
            help=f"Only those tests of {' and '.join(CHANGED_TIERS)} that ran code which has changed since; "
            "the first time all of them, to record what each runs.",
        ),
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"Leave out a tier, or the tests that need a tool: {', '.join(test_tools.TOOLS)}.",
        ),
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Measure line and branch coverage, in all processes.")
    ] = False,
) -> None:
    """Check format, lint and types, and run the tests on real services that they start themselves."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A shell starts background jobs with SIGINT ignored, which pytest would inherit.
        signal.signal(number, signal.default_int_handler)
    chosen = select(arguments or [], changed, without or [])
    RESULTS.mkdir(exist_ok=True)
    with ThreadPoolExecutor() as pool:
        static = pool.submit(_check_statically)
        if chosen.has_paths:
            passed = _run_paths(chosen)
        else:
            passed = _run_tiers(pool, chosen, coverage)
            if changed:
                others = [name for name in TIERS if name not in CHANGED_TIERS]
                say(f"not run: {' and '.join(others)}, which run the code in other processes")
        sys.exit(0 if static.result() and passed else 1)


class Selection(NamedTuple):
    """The tests to run."""

    tiers: tuple[Tier, ...]
    options: list[str]
    """Arguments of pytest."""
    left_out: frozenset[str]
    """Tools whose tests are left out."""
    has_paths: bool
    """Whether the options name files or folders, which are run instead of tiers."""


def select(arguments: Sequence[str], changed: bool, without: Sequence[str]) -> Selection:
    """Choose the tiers and the options of pytest.

    Raises:
        UserError: `without` has an unknown name, or nothing is left to run.
    """
    if unknown := [name for name in without if name not in {*TIERS, *test_tools.TOOLS}]:
        known = ", ".join([*TIERS, *test_tools.TOOLS])
        raise UserError(f"--without {unknown[0]} is unknown: expected one of {known}")
    options = [word for word in arguments if word not in TIERS]
    names = [name for name in TIERS if name in arguments] or (CHANGED_TIERS if changed else TIERS)
    tiers = tuple(TIERS[name] for name in names if name not in without)
    if not tiers:
        raise UserError("nothing is left to run: leave out fewer tiers")
    return Selection(
        tiers,
        [*options, *(["--testmon"] if changed else [])],
        frozenset(without) - TIERS.keys(),
        has_paths=any((ROOT / word.partition("::")[0]).exists() for word in options),
    )


def _check_statically() -> bool:
    """Run the checks that run no test; prints the output of one that fails."""
    passed = True
    for name, command in STATIC_CHECKS.items():
        process = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if process.returncode:
            print(process.stdout + process.stderr, file=sys.stderr)
            complain(f"{name}: see above")
            passed = False
    say(f"format, lint and types: {'passed' if passed else 'failed'}")
    return passed


def _run_paths(chosen: Selection) -> bool:
    """Run pytest as if called directly, for a part of the tests."""
    command = [sys.executable, "-m", "pytest", *_parallel(2), *_leave_out(chosen.left_out)]
    process = subprocess.Popen([*command, *chosen.options], cwd=ROOT)
    try:
        return process.wait() == 0
    except KeyboardInterrupt:
        process.wait()  # the terminal has interrupted it, too; it stops the services that it started
        raise


def _run_tiers(pool: ThreadPoolExecutor, chosen: Selection, coverage: bool) -> bool:
    start = time.monotonic()
    names = {tier.name for tier in chosen.tiers}
    tools = [
        name for name, tool in test_tools.TOOLS.items() if tool.tier in names and name not in chosen.left_out
    ]
    advice: Future[dict[str, str]] = pool.submit(test_tools.prepare, tools, say)
    if coverage:
        for file in RESULTS.glob("coverage*"):
            file.unlink()
    passed = True
    for group in AT_ONCE:
        tiers = [tier for tier in group if tier in chosen.tiers]
        needs_tools = any(test_tools.TOOLS[tool].tier == tier.name for tool in tools for tier in tiers)
        missing = advice.result() if needs_tools else {}
        runs = [
            _start_tier(tier, chosen.left_out | missing.keys(), chosen.options, coverage) for tier in tiers
        ]
        try:
            results = [_has_passed(run) for run in runs]
            passed = passed and all(results)
        except KeyboardInterrupt:
            _interrupt(runs)
            raise
        finally:
            # A process that was killed has not stopped the services that it started.
            marked_processes.end(marked_processes.find(RUN_VARIABLE, str(os.getpid())))
    for name, what in advice.result().items():
        complain(f"{test_tools.TOOLS[name].tier}: {name} is missing: {what}, or add --without {name}")
        passed = False
    if coverage:
        _report_coverage()
    say(f"tests: {'passed' if passed else 'failed'} in {time.monotonic() - start:.0f} s")
    return passed


class TierRun(NamedTuple):
    """A tier that runs, with its log."""

    tier: Tier
    process: subprocess.Popen
    log: Path


def _start_tier(tier: Tier, left_out: frozenset[str], options: Sequence[str], coverage: bool) -> TierRun:
    """Start a tier, whose plugin prints progress, failures and the summary."""
    log_file, report = (RESULTS / f"{tier.name}.{suffix}" for suffix in ("log", "json"))
    report.unlink(missing_ok=True)
    measured = ["coverage", "run", "-m"] if coverage else []
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), os.environ["PYTHONPATH"]]),
        RUN_VARIABLE: str(os.getpid()),
    }
    command = [sys.executable, "-m", *measured, "pytest", "-p", "support.tier_report"]
    command += [f"--tier={tier.name}", f"--tier-budget={tier.budget_seconds}", f"--tier-report={report}"]
    command += _leave_out(left_out)
    prefix = mount_prefix() if tier.name == "chaos" else []
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [*prefix, *command, *_parallel(tier.processes), *tier.folders, *options],
            cwd=ROOT,
            env=environment,
            stdout=log,
            # Otherwise a terminal would interrupt it twice, the second time while it stops its services.
            start_new_session=True,
        )
    return TierRun(tier, process, log_file)


def _has_passed(run: TierRun) -> bool:
    """Wait for the end of a tier, and print its result."""
    code, name = run.process.wait(), run.tier.name
    say(f"{name}: {run.log.read_text().rstrip().rpartition(chr(10))[2].strip('= ')}")
    if code not in {0, NO_TESTS}:
        complain(f"{name}: failed, see above and {run.log.relative_to(ROOT)}")
    return code in {0, NO_TESTS}


def _interrupt(runs: Sequence[TierRun]) -> None:
    """Interrupt the tiers, each of which first stops the services that it started."""
    for run in runs:
        run.process.send_signal(signal.SIGINT)
    for run in runs:
        with suppress(subprocess.TimeoutExpired):
            run.process.wait(60)


def _leave_out(tools: frozenset[str]) -> list[str]:
    return [f"--leave-out={name}" for name in sorted(tools)]


def _parallel(processes: int) -> list[str]:
    return ["-n", str(processes), "--dist", "loadscope", "--no-loadscope-reorder"] if processes > 1 else []


def _report_coverage() -> None:
    """Combine what all processes measured, and print the shares of lines and branches that ran."""
    for command in (["combine", "-q"], ["json", "-q"]):
        subprocess.run([sys.executable, "-m", "coverage", *command], cwd=ROOT, check=True)
    report = json.loads((RESULTS / "coverage.json").read_text())
    for folder in COVERED:
        files = [file["summary"] for name, file in report["files"].items() if name.startswith(f"{folder}/")]
        say(f"coverage of {folder}: {_shares(files)}")
    say(f"coverage: {_shares([report['totals']])}")


def _shares(summaries: Sequence[dict[str, int]]) -> str:
    def share(covered: str, existing: str) -> str:
        total = sum(summary[existing] for summary in summaries)
        return f"{sum(summary[covered] for summary in summaries) / total:.1%} of {total:,}"

    lines, branches = share("covered_lines", "num_statements"), share("covered_branches", "num_branches")
    return f"{lines} lines, {branches} branches"
