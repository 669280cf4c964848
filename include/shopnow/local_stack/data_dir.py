"""The data directory, which only its owner may enter."""

import os
import shutil
import stat
from pathlib import Path

from shopnow.errors import UserError
from shopnow.settings import Settings

NOBODY = 65534
"""User and group id of `nobody`."""


def make_private(settings: Settings) -> None:
    """Create the data directory with mode 0700, or give this mode to an existing one.

    Services write files that others may read, so the directory itself has to keep them out.

    Raises:
        UserError: the directory belongs to another user, or has files that are not of a stack.
    """
    folder = settings.data_dir
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.stat()
    if not stat.S_IMODE(status.st_mode) & (0o067 if status.st_gid == NOBODY else 0o077):
        return
    # A wrong setting must not close a folder that other users need, such as /tmp.
    if any(folder.iterdir()) and not configuration_file(settings).exists():
        raise UserError(
            f"{folder} is open to other users and has files that are not of ShopNow+: set SHOPNOW_DATA_DIR "
            f"to an empty or new folder, or close this one yourself (chmod 700 {folder})"
        )
    try:
        folder.chmod(0o700)
    except PermissionError:
        raise UserError(
            f"{folder} belongs to another user, who could read and change the data of the services: "
            "set SHOPNOW_DATA_DIR to a folder of your own"
        ) from None


def let_nobody_enter(folder: Path) -> None:
    """Let the processes of `nobody` enter the directory, but not list it: PostgreSQL's, if root starts it."""
    os.chown(folder, -1, NOBODY)
    folder.chmod(0o710)


def run_dir(settings: Settings) -> Path:
    """Return the folder of supervisord's configuration and the services' command files."""
    return settings.data_dir / "run"


def temporary_dir(settings: Settings) -> Path:
    """Return the services' folder for temporary files, which is emptied when supervisord starts.

    The system's may be small, or forbid to run programs: Java loads native libraries from there.
    """
    return settings.data_dir / "tmp"


def empty_temporary_dir(settings: Settings) -> None:
    """Create the folder for temporary files, or empty it."""
    shutil.rmtree(temporary_dir(settings), ignore_errors=True)
    temporary_dir(settings).mkdir(exist_ok=True)


def configuration_file(settings: Settings) -> Path:
    """Return supervisord's configuration, which every stack that was ever started has."""
    return run_dir(settings) / "supervisord.conf"
