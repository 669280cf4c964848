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
    ("types", ["mypy"]),
)


def run_checks(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Handed to pytest, such as tests/unit or -k landing; all tests by default.")
    ] = None,
) -> None:
    """Check format, lint and types, then run the tests, on real services they start themselves."""
    for name, command in LINT:
        say(f"checking {name}")
        if subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode:
            complain(f"{name}: see above")
            sys.exit(1)
    # Two processes, as much of what is tested is waiting; the longest folders come first.
    together = ["-n", "2", "--dist", "loadscope", "--no-loadscope-reorder"]
    sys.exit(subprocess.run([sys.executable, "-m", "pytest", *together, *(arguments or [])], cwd=ROOT, check=False).returncode)
