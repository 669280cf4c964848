"""`test`: all checks that CI runs."""

import subprocess
import sys
from typing import Annotated

import typer

from shopnow.cli.output import complain, say
from shopnow.settings import ROOT

LINT = (
    ("format", ["ruff", "format", "--check", "."]),
    ("lint", ["ruff", "check", "."]),
)


def run_checks(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="Passed to pytest, such as tests/unit or -k landing; all tests by default."),
    ] = None,
) -> None:
    """Check format, lint and types, and run the tests on real services that they start themselves."""
    for name, command in LINT:
        say(f"checking {name}")
        if _start_module(*command).wait():
            complain(f"{name}: see above")
            sys.exit(1)
    # mypy uses one processor for a minute, the time in which the tests' services start.
    say("checking types in the background")
    types = _start_module("mypy")
    # Two processes, as the tests wait much of their time; the longest folders come first.
    tests = _start_module(
        "pytest", "-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", *(arguments or [])
    )
    try:
        failed = tests.wait()
        if types.wait():
            complain("types: see above")
        sys.exit(failed or types.returncode)
    finally:
        tests.kill()
        types.kill()


def _start_module(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT)
