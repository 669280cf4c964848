"""Undo a fault from its journal."""

from pathlib import Path

from shopnow.drills import journal
from shopnow.drills.file_damage import Files
from shopnow.drills.journal import Journal, Undo
from shopnow.errors import UserError
from shopnow.local_stack import service_signals, stack, supervision
from shopnow.settings import Settings

Report = stack.Report


def restore_killed_drill(settings: Settings, report: Report) -> bool:
    """Undo the fault of a drill that was killed; returns False if there is none.

    Raises:
        UserError, OSError: a service that a step back needs does not answer; the journal stays.
    """
    entry = journal.read(settings)
    if entry is None or entry.is_running:
        return False
    report("drill", f"undo the fault {entry.fault} of a drill that was killed")
    restore(settings, entry, report)
    return True


def restore(settings: Settings, entry: Journal, report: Report) -> None:
    """Undo a fault, and remove its journal."""
    for undo in entry.undo:
        _undo(settings, entry.lake, undo, report)
    journal.clear(settings)


def _undo(settings: Settings, lake: str, undo: Undo, report: Report) -> None:
    match undo.kind:
        case "thaw":
            if _is_running(settings, undo.subject) and service_signals.is_frozen(settings, undo.subject):
                report(undo.subject, "thaw")
                service_signals.thaw(settings, undo.subject)
        case "start":
            # If supervisord was stopped, nobody wants the service to run.
            if any(process.running for process in supervision.list_processes(settings)):
                stack.up(settings, report, [undo.subject])
        case "write_back":
            _write_back(lake, undo, report)


def _write_back(lake: str, undo: Undo, report: Report) -> None:
    try:
        intact = Path(undo.backup).read_bytes()
    except FileNotFoundError:
        raise UserError(f"the backup {undo.backup} of {undo.subject} is gone: run ./shopnow repair") from None
    files = Files(lake)
    try:
        is_intact = files.read(undo.subject) == intact
    except FileNotFoundError:
        is_intact = False
    if not is_intact:
        report(undo.subject, "write its bytes back")
        files.write(undo.subject, intact)


def _is_running(settings: Settings, name: str) -> bool:
    return any(process.pid for process in supervision.list_processes(settings) if process.name == name)
