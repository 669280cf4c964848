"""The services of the local stack: how they are restarted and reported."""

import re
from typing import Any


def dead_services_stay_dead() -> None:
    """A service that has ended starts only when `up` is run again."""
    from shopnow.local_stack import supervision

    configuration = supervision._configuration

    def without_restarts(*args: Any) -> str:
        text = configuration(*args).replace("autorestart=true", "autorestart=false")
        return re.sub("startretries=.*", "startretries=0", text)

    supervision._configuration = without_restarts


def restarted_services_are_not_reported() -> None:
    """The monitor sees only services that do not run while it checks them."""
    from shopnow.local_stack import supervision

    list_processes = supervision.list_processes

    def without_past(*args: Any) -> list[supervision.Process]:
        return [process._replace(ended_at=0) for process in list_processes(*args)]

    supervision.list_processes = without_past


def sail_reads_any_file() -> None:
    """Sail runs with all rights of its user."""
    from shopnow.local_stack import file_confinement

    file_confinement.confine = lambda readable, writable: True
