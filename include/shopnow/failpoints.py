"""Named places where a process can be made to kill itself, so that tests and `./shopnow chaos` can show that nothing is lost there.

`SHOPNOW_KILL_AT=land:write` kills at the first passage of that point, `land:write:3` at the third.
"""

import os
import signal
import threading
from collections import Counter

ENV_VARIABLE = "SHOPNOW_KILL_AT"

_passed: Counter[str] = Counter()
_lock = threading.Lock()


def failpoint(point: str) -> None:
    """Pass the point, or die here by SIGKILL, as a crashed machine would, if the environment says so."""
    wanted = os.environ.get(ENV_VARIABLE)
    if wanted is None or not wanted.startswith(point):
        return
    with _lock:
        _passed[point] += 1
        if wanted in {point, f"{point}:1"} or wanted == f"{point}:{_passed[point]}":
            os.kill(os.getpid(), signal.SIGKILL)
