"""Entry point of the image: `python -m shopnow.cluster.run NAME [ARGUMENTS]` runs a service or a tool."""

import os
import sys

from shopnow.cluster.health import SERVICE_FILE
from shopnow.cluster.services import SERVICES, Container
from shopnow.cluster.settings import ClusterSettings
from shopnow.cluster.tools import TOOLS
from shopnow.errors import UserError
from shopnow.local_stack import jvm
from shopnow.settings import Settings


def main(name: str, *arguments: str) -> None:
    """Prepare the container and replace this process with the service or tool.

    Raises:
        UserError: the name is unknown, or the container's configuration is incomplete.
    """
    commands = SERVICES | TOOLS
    if name not in commands:
        raise UserError(
            f"unknown service or tool {name!r}. Services: {', '.join(SERVICES)}. Tools: {', '.join(TOOLS)}."
        )
    settings = Settings.load()
    service, container = (
        commands[name],
        Container(ClusterSettings(), settings, jvm.java_home(settings.data_dir)),
    )
    if name in SERVICES:
        SERVICE_FILE.write_text(name)
    service.prepare(container)
    command = [*service.command(container), *arguments]
    os.execvpe(command[0], command, {**os.environ, **service.environment(container)})


if __name__ == "__main__":
    try:
        main(*sys.argv[1:] or ["cli", "--help"])
    except UserError as error:
        sys.exit(str(error))
