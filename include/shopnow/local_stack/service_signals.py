"""Signals to the processes of services: killed, they are restarted; frozen, they answer nothing."""

import os
import signal

import psutil

from shopnow.errors import UserError
from shopnow.local_stack import supervision
from shopnow.settings import Settings


def pid(settings: Settings, name: str) -> int:
    """Return the process id of a service.

    Raises:
        UserError: the service is not running.
    """
    for process in supervision.list_processes(settings):
        if process.name == name and process.pid:
            return process.pid
    raise UserError(f"{name} is not running: run ./shopnow up")


def kill(settings: Settings, name: str) -> int:
    """Kill a service, which supervisord restarts; return the id of the ended process."""
    ended = pid(settings, name)
    os.kill(ended, signal.SIGKILL)
    return ended


def freeze(settings: Settings, name: str) -> None:
    """Suspend a service: it keeps its connections and answers nothing."""
    os.kill(pid(settings, name), signal.SIGSTOP)


def thaw(settings: Settings, name: str) -> None:
    os.kill(pid(settings, name), signal.SIGCONT)


def is_frozen(settings: Settings, name: str) -> bool:
    return psutil.Process(pid(settings, name)).status() == psutil.STATUS_STOPPED
