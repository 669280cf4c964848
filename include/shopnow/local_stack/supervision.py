"""Runs the services under supervisord: one daemon per data directory, behind a socket for its owner only."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.states import ProcessStates
from supervisor.xmlrpc import Faults, SupervisorTransport

from shopnow.errors import UserError
from shopnow.local_stack import base_environment, data_dir, marked_processes, user_namespace
from shopnow.local_stack.services import SERVICES, Service
from shopnow.settings import ROOT, Settings

STACK_VARIABLE = "SHOPNOW_STACK"
"""Environment variable of the stack's processes and their children, by which `stop_daemon` finds them."""

SOCKET = "supervisord.sock"
"""Name of supervisord's socket in `data_dir.run_dir`."""

START_SECONDS = 30
"""A service that ends within this time of its start is restarted after a pause, longer by 1 s each time."""


class Process(NamedTuple):
    """The state of a service's process."""

    name: str
    running: bool
    died: bool
    """Whether it ended without being stopped, and is about to be restarted."""
    pid: int | None
    started_at: int
    """When it started last, in Unix seconds; 0 if it never ran."""
    ended_at: int
    """When it ended last, in Unix seconds, also if it was restarted since; 0 if it never ended."""
    detail: str


def log_dir(settings: Settings) -> Path:
    return settings.data_dir / "logs"


def start_daemon(settings: Settings) -> None:
    """Start supervisord without any service; does nothing if it is running.

    Raises:
        UserError: it does not start.
    """
    if _is_daemon_running(settings):
        return
    end_leftover_processes(settings)
    data_dir.empty_temporary_dir(settings)
    data_dir.run_dir(settings).mkdir(parents=True, exist_ok=True)
    log_dir(settings).mkdir(parents=True, exist_ok=True)
    configuration = data_dir.configuration_file(settings)
    configuration.write_text(_configuration(settings))
    log = log_dir(settings) / "supervisord.out"
    command = [*user_namespace.prefix(), sys.executable, "-m", "supervisor.supervisord", "--nodaemon"]
    with log.open("w") as output:
        daemon = subprocess.Popen(
            [*command, "-c", configuration],
            env={**base_environment.minimal(settings), STACK_VARIABLE: settings.key},
            # Its socket is below its current folder, as the whole path may be too long for a socket.
            cwd=data_dir.run_dir(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def has_started_or_ended() -> bool:
        return _is_daemon_running(settings) or daemon.poll() is not None

    if not wait_until(has_started_or_ended, seconds=30) or daemon.poll() is not None:
        raise UserError(f"supervisord did not start: see {log}")


def start(settings: Settings, service: Service, java: Path) -> bool:
    """Start one service, at once if it waits for its next restart; returns False if it is running."""
    [process] = [process for process in list_processes(settings) if process.name == service.name]
    if process.running:
        return False
    if process.died:
        stop(settings, [service.name])
    marks = {
        STACK_VARIABLE: settings.key,
        marked_processes.SERVICE_VARIABLE: f"{settings.key}/{service.name}",
    }
    environment = {**service.environment(settings, java), **marks}
    command_file = _command_file(settings, service.name)
    content = json.dumps({"command": service.command(settings, java), "environment": environment})
    with os.fdopen(os.open(command_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(content)
    try:
        return _rpc(settings).startProcess(service.name, False)
    except Fault as fault:
        if fault.faultCode == Faults.ALREADY_STARTED:
            return False
        raise UserError(
            f"starting {service.name} failed: {fault.faultString}; see {log_dir(settings) / service.name}.log"
        ) from None


def stop(settings: Settings, names: Iterable[str]) -> None:
    """Stop services, all at once, and wait until they have ended; ignores those that are not running."""
    names = set(names) if _is_daemon_running(settings) else set()
    for name in names:
        try:
            _rpc(settings).stopProcess(name, False)
        except Fault as fault:
            if fault.faultCode != Faults.NOT_RUNNING:
                raise
    wait_until(
        lambda: not any(process.running for process in list_processes(settings) if process.name in names),
        seconds=60,
    )


def stop_daemon(settings: Settings) -> None:
    """Stop the services, supervisord itself and every other process of the stack."""
    if _is_daemon_running(settings):
        daemon = psutil.Process(_rpc(settings).getPID())
        _rpc(settings).shutdown()
        # Not `daemon.wait`: a process that started it, and has not asked for its end, keeps it as a zombie.
        wait_until(lambda: not marked_processes.is_alive(daemon), seconds=60)
    end_leftover_processes(settings)


def end_leftover_processes(settings: Settings) -> None:
    """End the remaining processes: tasks outlive their scheduler, and services a killed supervisord."""
    marked_processes.end(list_stack_processes(settings))
    _socket(settings).unlink(missing_ok=True)


UNSUPERVISED = "supervisord does not answer, but its services run: ./shopnow up restarts them"
"""Description of the problem that `unsupervised_processes` finds."""


def unsupervised_processes(settings: Settings) -> list[psutil.Process]:
    """Return the stack's processes that run although supervisord does not answer.

    It was killed, or its socket was deleted; nothing can restart, stop or list its services then.
    """
    return [] if _is_daemon_running(settings) else list_stack_processes(settings)


def list_stack_processes(settings: Settings) -> list[psutil.Process]:
    """Return every process that carries this stack's `STACK_VARIABLE`."""
    return marked_processes.find(STACK_VARIABLE, settings.key)


def list_processes(settings: Settings) -> list[Process]:
    """Return the state of every service as supervisord has it."""
    if not _is_daemon_running(settings):
        return [Process(name, False, False, None, 0, 0, "") for name in SERVICES]
    info_by_name = {info["name"]: info for info in _rpc(settings).getAllProcessInfo()}
    return [_process(info_by_name[name]) for name in SERVICES]


def wait_until(condition: Callable[[], bool], seconds: float, interval: float = 0.2) -> bool:
    """Poll a condition until it is true; returns False on timeout."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def _process(info: dict) -> Process:
    running = info["state"] in {ProcessStates.STARTING, ProcessStates.RUNNING, ProcessStates.STOPPING}
    died = info["state"] in {ProcessStates.EXITED, ProcessStates.FATAL, ProcessStates.BACKOFF}
    return Process(
        info["name"],
        running,
        died,
        info["pid"] or None,
        info["start"],
        info["stop"],
        _exit_reason(info) if died else "",
    )


def _exit_reason(info: dict) -> str:
    if info["state"] == ProcessStates.BACKOFF:
        return f"ends within {START_SECONDS} s of each start"
    return "ended with a signal" if info["exitstatus"] < 0 else f"ended with exit code {info['exitstatus']}"


def _configuration(settings: Settings) -> str:
    python, run_dir = _escape(sys.executable), _escape(str(data_dir.run_dir(settings)))
    logs = _escape(str(log_dir(settings)))
    programs = "".join(
        f"[program:{name}]\n"
        f'command="{python}" -m shopnow.local_stack.exec_service '
        f'"{_escape(str(_command_file(settings, name)))}"\n'
        f"directory={_escape(str(ROOT))}\nautostart=false\nautorestart=true\n"
        # Never gives up: what stops a service, such as a full disk, may be mended hours later.
        f"startsecs={START_SECONDS}\nstartretries=1000000\n"
        f"stopsignal={service.stop_signal}\nstopasgroup=true\nkillasgroup=true\nstopwaitsecs=20\n"
        "redirect_stderr=true\n"
        f"stdout_logfile={logs}/{name}.log\nstdout_logfile_maxbytes=20MB\nstdout_logfile_backups=1\n\n"
        for name, service in SERVICES.items()
    )
    return (
        "[supervisord]\nidentifier=shopnow\nnodaemon=true\nsilent=true\n"
        f"logfile={logs}/supervisord.log\npidfile={run_dir}/supervisord.pid\nchildlogdir={run_dir}\n\n"
        f"[unix_http_server]\nfile=/proc/self/cwd/{SOCKET}\nchmod=0700\n\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n\n" + programs
    )


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def _command_file(settings: Settings, name: str) -> Path:
    return data_dir.run_dir(settings) / f"{name}.json"


def _socket(settings: Settings) -> Path:
    return data_dir.run_dir(settings) / SOCKET


class _Connection(HTTPConnection):
    """A connection through the open folder of the socket, whose whole path may be too long for a socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        folder = os.open(self._path.parent, os.O_PATH)
        try:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


def _rpc(settings: Settings) -> Any:
    transport = SupervisorTransport(serverurl="unix://")
    transport._get_connection = lambda: _Connection(_socket(settings))
    return ServerProxy("http://127.0.0.1", transport=transport).supervisor


def _is_daemon_running(settings: Settings) -> bool:
    try:
        return bool(_rpc(settings).getPID())
    except (OSError, Fault):
        return False
