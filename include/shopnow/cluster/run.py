"""Becomes a service of the cluster: `python -m shopnow.cluster.run SERVICE [ARGUMENTS]`, the image's entry point."""

import os
import sys

from shopnow.cluster.health import SERVICE
from shopnow.cluster.services import SERVICES, Container
from shopnow.cluster.settings import Cluster
from shopnow.errors import UserError
from shopnow.platform import java
from shopnow.settings import Settings


def main(name: str, *arguments: str) -> None:
    if name not in SERVICES:
        raise UserError(f"no service is called {name}: they are {', '.join(SERVICES)}")
    settings = Settings.load()
    service, container = SERVICES[name], Container(Cluster(), settings, java.java_home(settings.data_dir))
    if name != "cli":  # which is run beside a service, in its container
        SERVICE.write_text(name)
    service.prepare(container)
    command = [*service.command(container), *arguments]
    os.execvpe(command[0], command, {**os.environ, **service.environment(container)})


if __name__ == "__main__":
    try:
        main(*sys.argv[1:] or ["cli", "--help"])
    except UserError as error:
        sys.exit(str(error))
