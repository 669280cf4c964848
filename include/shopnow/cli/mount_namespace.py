"""The namespace in which the fault suite may mount small disks, as root or not."""

import os
import shutil
import subprocess

_UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]


def mount_prefix() -> list[str]:
    """Return the command prefix that allows mounting disks, in a user namespace; empty if not needed."""
    if (
        os.geteuid() == 0
        or shutil.which(_UNSHARE[0]) is None
        or subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode
    ):
        return []
    return _UNSHARE
