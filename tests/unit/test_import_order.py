"""The import contracts of pyproject.toml: what may import what."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT_ROOTS = ("include", "plugins", "spark_apps")


def test_imports_keep_the_contracts() -> None:
    """Run import-linter in a subprocess: it reads import statements and imports no module of the project."""
    lint_imports = Path(sys.executable).with_name("lint-imports")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / root) for root in IMPORT_ROOTS)}
    result = subprocess.run(
        [lint_imports, "--no-cache", "--no-logo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
