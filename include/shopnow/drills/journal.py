"""The journal of a drill: what to undo, written before the fault, so that a killed drill is undone later."""

import os
import time
from pathlib import Path
from typing import Literal

import msgspec
import psutil

from shopnow.errors import UserError
from shopnow.settings import Settings


class Undo(msgspec.Struct, frozen=True):
    """One step back; each may be repeated."""

    kind: Literal["start", "thaw", "write_back"]
    subject: str
    """The service to start or thaw, or the path of the file in the lake."""
    backup: str = ""
    """File on this machine with the bytes to write back."""


class Journal(msgspec.Struct, frozen=True):
    """The drill that is running, or that was killed."""

    fault: str
    lake: str
    pid: int
    process_started_at: float
    """With the pid, identifies the process of the drill: pids are reused."""
    at: float
    undo: tuple[Undo, ...]

    @property
    def is_running(self) -> bool:
        """True while the process of the drill lives, which undoes the fault itself."""
        try:
            return psutil.Process(self.pid).create_time() == self.process_started_at
        except psutil.NoSuchProcess:
            return False


def folder(settings: Settings) -> Path:
    return settings.data_dir / "drill"


def begin(settings: Settings, fault: str, lake: str, undo: tuple[Undo, ...]) -> Journal:
    """Write the journal durably.

    Raises:
        UserError: there is one already, of a drill that is running or not undone.
    """
    process = psutil.Process()
    journal = Journal(fault, lake, process.pid, process.create_time(), time.time(), undo)
    _file(settings).parent.mkdir(parents=True, exist_ok=True)
    temporary = folder(settings) / f"{process.pid}.new"
    with temporary.open("wb") as stream:
        stream.write(msgspec.json.encode(journal))
        stream.flush()
        os.fsync(stream.fileno())
    try:
        # Unlike a rename, a link does not replace the journal of another drill.
        os.link(temporary, _file(settings))
    except FileExistsError:
        raise UserError("the fault of another drill is not undone yet: wait until it has ended") from None
    finally:
        temporary.unlink()
    return journal


def read(settings: Settings) -> Journal | None:
    """Return the journal of a drill that is not undone yet; None if there is none."""
    try:
        return msgspec.json.decode(_file(settings).read_bytes(), type=Journal)
    except FileNotFoundError:
        return None


def clear(settings: Settings) -> None:
    """Remove the journal and its backups, once everything is undone."""
    journal = read(settings)
    _file(settings).unlink(missing_ok=True)
    for undo in journal.undo if journal else ():
        if undo.backup:
            Path(undo.backup).unlink(missing_ok=True)


def _file(settings: Settings) -> Path:
    return folder(settings) / "journal.json"
