"""Installs Python packages that only some setups need, at their first use and by lock files of their own."""

import os
import subprocess
import sys
from pathlib import Path

from shopnow import network_errors
from shopnow.errors import UserError


def install(name: str, lock: Path, *options: str | Path) -> None:
    """Install the packages of a lock file for this Python.

    Args:
        name: name of the packages for the message.
        lock: a requirements file with hashes.
        options: more options of `uv pip install`.

    Raises:
        UserError: the packages cannot be downloaded; uv's own errors go to standard error.
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
    result = subprocess.run(
        [*command, "-r", lock, *options], env=environment, stderr=subprocess.PIPE, text=True, check=False
    )
    if result.returncode:
        print(network_errors.redact(result.stderr), end="", file=sys.stderr)
        raise UserError(f"installing {name} failed: {network_errors.explain(result.stderr)}")
