"""Sail: the engine of small changes, which speaks Spark Connect.

    python -m shopnow.local_stack.sail --ip 127.0.0.1 --port 15002

Sail has no login and runs code that a query contains. So it is confined to its program and temporary files,
where the kernel can do that: another user of the machine gets no more from it than from HDFS.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import grpc

from shopnow.local_stack import file_confinement
from shopnow.settings import Settings

_ANSWER_SECONDS = 2.0
_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/bin", "/opt", "/proc", "/sys", "/dev/null", "/dev/zero", "/dev/urandom"),
    *("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/localtime"),
    *("/etc/ssl", "/etc/ld.so.cache", "/etc/alternatives"),
)
"""Programs and files that every user may read."""


def command(settings: Settings, ip: str = "127.0.0.1") -> list[str]:
    """Return the command line of the server."""
    options = ["--ip", ip, "--port", str(settings.ports["sail"])]
    return [sys.executable, "-m", "shopnow.local_stack.sail", *options]


def program(arguments: Sequence[str]) -> list[str]:
    """Return the command line of the server without confinement."""
    return [str(Path(sys.executable).with_name("sail")), "spark", "server", *arguments]


def environment(settings: Settings) -> dict[str, str]:
    """Return the server's environment: a query that needs more memory fails, and spark-submit takes over."""
    return {
        "SAIL_RUNTIME__MEMORY_POOL__TYPE": "greedy",
        "SAIL_RUNTIME__MEMORY_POOL__GREEDY__MAX_SIZE": str(settings.sail_memory_mb << 20),
        "SAIL_PARQUET__FILE_METADATA_CACHE__SIZE_LIMIT": str(64 << 20),
        "RUST_LOG": "warn",
    }


def answers(url: str) -> bool:
    """Return whether a server at this address of Spark Connect speaks its protocol, HTTP/2."""
    with grpc.insecure_channel(urlsplit(url).netloc) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_ANSWER_SECONDS)
        except grpc.FutureTimeoutError:
            return False
    return True


def main(arguments: list[str]) -> None:
    """Replace this process by the server."""
    programs = {Path(folder).resolve() for folder in (sys.prefix, sys.base_prefix)}
    temporary = Path(tempfile.gettempdir()) / "sail"
    temporary.mkdir(mode=0o700, exist_ok=True)
    writable = [temporary, Path("/dev/null")]
    if not file_confinement.confine([*programs, *map(Path, _SYSTEM)], writable):
        print("sail: this kernel cannot confine it to its own files", file=sys.stderr)
    command_line = program(arguments)
    os.execve(command_line[0], command_line, os.environ | {"TMPDIR": str(temporary)})


if __name__ == "__main__":
    main(sys.argv[1:])
