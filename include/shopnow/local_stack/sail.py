"""Sail: the engine of small changes, which speaks Spark Connect."""

import sys
from pathlib import Path
from urllib.parse import urlsplit

import grpc

from shopnow.settings import Settings

_ANSWER_SECONDS = 2.0


def command(settings: Settings, ip: str = "127.0.0.1") -> list[str]:
    """Return the command line of the server."""
    program = str(Path(sys.executable).with_name("sail"))
    return [program, "spark", "server", "--ip", ip, "--port", str(settings.ports["sail"])]


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
