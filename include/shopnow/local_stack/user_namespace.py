"""A name for users without one: Java's login and PostgreSQL's `initdb` look it up in the user database.

Containers are often run with a user id that the image does not have. In a user namespace that id appears as
`nobody`, which every system has; files stay the user's own.
"""

import os
import pwd
import shutil
import subprocess
from functools import cache

from shopnow.errors import UserError
from shopnow.launch_environment import NAMESPACE_USER


def prefix() -> tuple[str, ...]:
    """Return the command before a program that needs its user's name; empty if the user has one.

    Raises:
        UserError: the user has none, and may not create namespaces.
    """
    return () if _has_name() else _namespace()


def _has_name() -> bool:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


@cache
def _namespace() -> tuple[str, ...]:
    entry = pwd.getpwnam(NAMESPACE_USER)
    ids = f"--map-user={entry.pw_uid}", f"--map-group={entry.pw_gid}"
    command = (shutil.which("unshare") or "unshare", "--user", *ids)
    try:
        subprocess.run([*command, "true"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise UserError(
            f"user id {os.geteuid()} has no name, which Java and PostgreSQL need, and this machine does not "
            "allow user namespaces (unshare): add the id to /etc/passwd, or start as a user who is in it"
        ) from None
    return command
