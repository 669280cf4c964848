"""`./shopnow lab` as a process, on this checkout or on a copy of it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shopnow.settings import ROOT

PARTS = ("include", "spark_apps", "labs", "docs/labs", "plugins/shopnow_tab_app/locales")
"""What the checks and the solutions of the labs read and change."""


def copy_checkout(target: Path) -> Path:
    """Copy the parts of this checkout that labs are about, and return the copy's root."""
    for part in PARTS:
        shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def run(root: Path, *arguments: Any, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `lab` in a checkout."""
    python_path = os.pathsep.join(str(root / folder) for folder in ("include", "spark_apps"))
    return subprocess.run(
        [sys.executable, "-m", "shopnow.cli.lab", "lab", *map(str, arguments)],
        cwd=root,
        env={**os.environ, **variables, "PYTHONPATH": python_path},
        capture_output=True,
        text=True,
        check=False,
    )


def check(root: Path, number: int, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run the check of a lab; return its JSON, after comparing it with the exit code."""
    process = run(root, "check", number, "--json", **(variables or {}))
    assert "Traceback" not in process.stderr
    result = json.loads(process.stdout)
    assert process.returncode == (0 if result["done"] else 1), process.stderr
    return result


def missing(result: Mapping[str, Any]) -> str:
    """Return the requirement that is not met; empty if all are."""
    texts = [row["text"] for row in result["requirements"] if not row["is_met"]]
    assert bool(texts) != result["done"]
    return "".join(texts)
