"""Settings of a stack whose services listen on free ports, so that several stacks can run at once."""

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from shopnow.settings import Settings


def settings_on_free_ports(data_dir: Path) -> Settings:
    """Settings with this data directory and every port chosen from those that are free now."""
    names = [name for name in Settings.model_fields if name.endswith("_port")]
    ports: dict[str, Any] = dict(zip(names, free_ports(len(names)), strict=True))
    return Settings(data_dir=data_dir, **ports)


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports on which nothing listens now."""
    with ExitStack() as stack:
        # All sockets stay bound until every port is chosen, or the kernel could hand out one port twice.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for bound in sockets:
            bound.bind(("127.0.0.1", 0))
        return [bound.getsockname()[1] for bound in sockets]
