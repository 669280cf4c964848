"""Runs the services under supervisord: one daemon a data directory, spoken to over a socket only its owner can open."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.states import ProcessStates
from supervisor.xmlrpc import Faults, SupervisorTransport

from shopnow.errors import UserError
from shopnow.local_stack.services import SERVICES, Service
from shopnow.settings import Settings

# Every process of the stack, and all it starts, carries this variable: so none can hide from `stop`, whoever its parent is.
STACK_VARIABLE = "SHOPNOW_STACK"


class Process(NamedTuple):
    name: str
    running: bool
    died: bool
    """It ended without being asked to."""
    pid: int | None
    since: int
    """When it started or ended, Unix seconds; 0 if it never ran."""
    detail: str


def log_dir(settings: Settings) -> Path:
    return settings.data_dir / "logs"


def start_daemon(settings: Settings) -> None:
    """Starts supervisord, with no service yet; does nothing if it runs.

    Raises:
        UserError: it does not come up.
    """
    if _is_daemon_running(settings):
        return
    end_leftover_processes(settings)
    run = _run_dir(settings)
    run.mkdir(parents=True, exist_ok=True)
    log_dir(settings).mkdir(parents=True, exist_ok=True)
    configuration = run / "supervisord.conf"
    configuration.write_text(_configuration(settings))
    log = log_dir(settings) / "supervisord.out"
    with log.open("w") as output:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "-c", configuration],
            env={**os.environ, STACK_VARIABLE: settings.key},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    if (
        not wait_until(lambda: _is_daemon_running(settings) or daemon.poll() is not None, seconds=30)
        or daemon.poll() is not None
    ):
        raise UserError(f"the process manager did not start: see {log}")


def start(settings: Settings, service: Service, java: Path) -> bool:
    """Starts one service; False if it runs already."""
    specification = _command_file(settings, service.name)
    content = json.dumps(
        {"command": service.command(settings, java), "environment": service.environment(settings, java)}
    )
    with os.fdopen(os.open(specification, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(content)
    try:
        return _rpc(settings).startProcess(service.name, False)
    except Fault as fault:
        if fault.faultCode == Faults.ALREADY_STARTED:
            return False
        raise UserError(
            f"{service.name} could not be started: {fault.faultString}; see {log_dir(settings) / service.name}.log"
        ) from None


def stop(settings: Settings, names: Iterable[str]) -> None:
    """Stops services, all at once, and waits for their end; those that do not run are left as they are."""
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
    """Stops everything: the services, supervisord itself and whatever else carries the marker."""
    if _is_daemon_running(settings):
        daemon = psutil.Process(_rpc(settings).getPID())
        _rpc(settings).shutdown()
        psutil.wait_procs([daemon], timeout=60)
    end_leftover_processes(settings)


def end_leftover_processes(settings: Settings) -> None:
    """Ends what is left of this stack: tasks outlive the scheduler that started them, and a killed supervisord its children."""
    left = list_stack_processes(settings)
    for process in left:
        _signal(process.terminate)
    _, stubborn = psutil.wait_procs(left, timeout=10)
    for process in stubborn:
        _signal(process.kill)
    psutil.wait_procs(stubborn, timeout=10)
    socket_path(settings).unlink(missing_ok=True)


def list_stack_processes(settings: Settings) -> list[psutil.Process]:
    """Every process of this stack."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(STACK_VARIABLE) == settings.key and process.pid != os.getpid():
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def list_processes(settings: Settings) -> list[Process]:
    """The state of every service as the process manager knows it."""
    if not _is_daemon_running(settings):
        return [Process(name, False, False, None, 0, "") for name in SERVICES]
    known = {info["name"]: info for info in _rpc(settings).getAllProcessInfo()}
    return [_process(known[name]) for name in SERVICES]


def wait_until(condition: Callable[[], bool], seconds: float, interval: float = 0.2) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def socket_path(settings: Settings) -> Path:
    """Not in the data directory, whose path may be too long for a socket."""
    return Path(tempfile.gettempdir()) / f"shopnow-{os.getuid()}-{settings.key}.sock"


def _process(info: dict) -> Process:
    running = info["state"] in {ProcessStates.STARTING, ProcessStates.RUNNING, ProcessStates.STOPPING}
    died = info["state"] in {ProcessStates.EXITED, ProcessStates.FATAL, ProcessStates.BACKOFF}
    detail = (
        "" if running or not info["stop"] else f"ended with {_exit_reason(info['exitstatus'])}" if died else ""
    )
    return Process(
        info["name"], running, died, info["pid"] or None, info["start"] if running else info["stop"], detail
    )


def _exit_reason(status: int) -> str:
    return "a signal" if status < 0 else f"exit code {status}"


def _configuration(settings: Settings) -> str:
    run = _escape(str(_run_dir(settings)))
    programs = "".join(
        f"[program:{name}]\n"
        f'command="{_escape(sys.executable)}" -m shopnow.local_stack.exec_service "{_escape(str(_command_file(settings, name)))}"\n'
        "autostart=false\n"
        # A service that died stays down until `up`, so that its death is seen and not papered over.
        "autorestart=false\n"
        "startsecs=0\nstopasgroup=true\nkillasgroup=true\nstopwaitsecs=20\nredirect_stderr=true\n"
        f"stdout_logfile={_escape(str(log_dir(settings)))}/{name}.log\nstdout_logfile_maxbytes=20MB\nstdout_logfile_backups=1\n\n"
        for name in SERVICES
    )
    return (
        f"[supervisord]\nidentifier=shopnow\nnodaemon=true\nsilent=true\nlogfile={_escape(str(log_dir(settings)))}/supervisord.log\n"
        f"pidfile={run}/supervisord.pid\nchildlogdir={run}\n\n"
        f"[unix_http_server]\nfile={_escape(str(socket_path(settings)))}\nchmod=0700\n\n"
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n\n"
        + programs
    )


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def _run_dir(settings: Settings) -> Path:
    return settings.data_dir / "run"


def _command_file(settings: Settings, name: str) -> Path:
    return _run_dir(settings) / f"{name}.json"


def _rpc(settings: Settings) -> Any:
    transport = SupervisorTransport(None, None, f"unix://{socket_path(settings)}")
    return ServerProxy("http://127.0.0.1", transport=transport).supervisor


def _is_daemon_running(settings: Settings) -> bool:
    try:
        return bool(_rpc(settings).getPID())
    except (OSError, Fault):
        return False


def _signal(send: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        send()
