"""What the local mail server and the local webhook receiver have in common: their command line."""

import argparse
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

from shopnow.errors import UserError


def run(parser: argparse.ArgumentParser, serve: Callable[[str, int, Path], None]) -> None:
    """Parse `--host`, `--port` and `--directory`, make the directory and serve until told to stop."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on; only this machine's own by default"
    )
    parser.add_argument("--port", type=int, required=True, help="the port; 0 takes a free one")
    parser.add_argument(
        "--directory", type=Path, required=True, help="where to keep what arrives; made if it is not there"
    )
    given = parser.parse_args()
    try:
        given.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"cannot make the directory {given.directory}: {error.strerror}")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            serve(given.host, given.port, given.directory)
    except UserError as error:
        sys.exit(str(error))


def announce(host: str, port: int) -> None:
    """Say on standard output that the server takes connections, and where."""
    print(f"ready on {host}:{port}", flush=True)
