"""The command line that the mail server and the webhook server share."""

import argparse
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

from shopnow.errors import UserError


def run(parser: argparse.ArgumentParser, serve: Callable[[str, int, Path], None]) -> None:
    """Parse `--host`, `--port` and `--directory`, create the directory and serve until interrupted."""
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; reachable from this machine only by default",
    )
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 for a free one")
    parser.add_argument(
        "--directory", type=Path, required=True, help="where to store what arrives; created if missing"
    )
    arguments = parser.parse_args()
    try:
        arguments.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"cannot create the directory {arguments.directory}: {error.strerror}")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            serve(arguments.host, arguments.port, arguments.directory)
    except UserError as error:
        sys.exit(str(error))


def announce(host: str, port: int) -> None:
    """Print the address once the server accepts connections."""
    print(f"ready on {host}:{port}", flush=True)
