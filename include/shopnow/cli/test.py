"""`test`: everything that CI checks."""

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
        typer.Argument(help="Handed to pytest, such as tests/unit or -k landing; all tests by default."),
    ] = None,
) -> None:
    """Check format, lint and types, and run the tests, on real services they start themselves."""
    for name, command in LINT:
        say(f"checking {name}")
        if _module(*command).wait():
            complain(f"{name}: see above")
            sys.exit(1)
    say("checking types meanwhile")  # it takes one processor a minute, in which the tests' services start
    types = _module("mypy")
    # Two processes, as much of what is tested is waiting; the longest folders come first.
    tests = _module("pytest", "-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", *(arguments or []))
    try:
        failed = tests.wait()
        if types.wait():
            complain("types: see above")
        sys.exit(failed or types.returncode)
    finally:
        tests.kill()
        types.kill()


def _module(*words: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT)
