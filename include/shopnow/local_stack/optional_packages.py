"""Python packages that are installed when they are first wanted, by a lock of their own."""

import os
import subprocess
import sys
from pathlib import Path


def install(lock: Path, *options: str | Path) -> bool:
    """Installs what the lock names, for this Python; whether it could. What went wrong is on standard error."""
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
    # As ./shopnow installs the others: not by a configuration of the user's own.
    return (
        subprocess.run(
            [*command, "-r", lock, *options], env={**os.environ, "UV_NO_CONFIG": "1"}, check=False
        ).returncode
        == 0
    )
