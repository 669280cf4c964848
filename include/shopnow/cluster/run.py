"""Becomes a service of the cluster, or a tool: `python -m shopnow.cluster.run NAME [ARGUMENTS]`, the image's entry point."""

import os
import sys

from shopnow.cluster.health import SERVICE
from shopnow.cluster.services import SERVICES, Container
from shopnow.cluster.settings import Cluster
from shopnow.cluster.tools import TOOLS
from shopnow.errors import UserError
from shopnow.local_stack import java
from shopnow.settings import Settings


def main(name: str, *arguments: str) -> None:
    known = SERVICES | TOOLS
    if name not in known:
        raise UserError(
            f"nothing is called {name}: services are {', '.join(SERVICES)}; tools are {', '.join(TOOLS)}"
        )
    settings = Settings.load()
    service, container = known[name], Container(Cluster(), settings, java.java_home(settings.data_dir))
    if name in SERVICES:
        SERVICE.write_text(name)
    service.prepare(container)
    command = [*service.command(container), *arguments]
    os.execvpe(command[0], command, {**os.environ, **service.environment(container)})


if __name__ == "__main__":
    try:
        main(*sys.argv[1:] or ["cli", "--help"])
    except UserError as error:
        sys.exit(str(error))
