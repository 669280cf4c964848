"""Processes that carry a mark in their environment, which their children inherit."""

import os
from collections.abc import Callable
from contextlib import suppress

import psutil

SERVICE_VARIABLE = "SHOPNOW_STACK_SERVICE"
"""Environment variable of a service's processes and their children: the stack's key and the service."""


def find(variable: str, value: str) -> list[psutil.Process]:
    """Return every other process that has this environment variable with this value."""
    marked = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(variable) == value and process.pid != os.getpid():
                marked.append(process)
        except (psutil.Error, OSError):
            continue
    return marked


def end(processes: list[psutil.Process]) -> None:
    """End processes, by a kill if they do not end themselves."""
    for process in processes:
        _signal(process.terminate)
    _, still_running = psutil.wait_procs(processes, timeout=10)
    for process in still_running:
        _signal(process.kill)
    psutil.wait_procs(still_running, timeout=10)


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process runs; one that has ended and waits for its parent to notice does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(send: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        send()
