"""Installs Python packages that only some setups need, at their first use and by lock files of their own."""

import os
import subprocess
import sys
from pathlib import Path


def install(lock: Path, *options: str | Path) -> bool:
    """Install the packages of a lock file for this Python.

    Args:
        lock: a requirements file with hashes.
        options: more options of `uv pip install`.

    Returns:
        Whether it succeeded; errors go to standard error.
    """
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--python",
        sys.executable,
    ]
    # The user's own uv configuration is ignored, as ./shopnow does for the other packages.
    environment = {**os.environ, "UV_NO_CONFIG": "1"}
    result = subprocess.run([*command, "-r", lock, *options], env=environment, check=False)
    return result.returncode == 0
