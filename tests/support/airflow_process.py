"""Code in a process of its own with the environment of Airflow's processes."""

import os
import subprocess
import sys
from pathlib import Path

from shopnow.local_stack import airflow
from shopnow.settings import Settings

JAVA = Path("/usr/lib/jvm/some")
"""A Java home that is named in the environment and not used."""


def run_code(settings: Settings, code: str) -> None:
    """Run the code and wait for its end; asserts that it succeeded."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **airflow.environment(settings, JAVA)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
