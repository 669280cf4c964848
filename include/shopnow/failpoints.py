"""Failpoints: named points at which tests and `./shopnow chaos` kill a process to show that nothing is lost.

`SHOPNOW_KILL_AT=land:write` kills the process at the first passage of that failpoint, `land:write:3` at the
third.
"""

import os
import signal
import threading
from collections import Counter

ENV_VARIABLE = "SHOPNOW_KILL_AT"

_passages: Counter[str] = Counter()
_lock = threading.Lock()


def failpoint(point: str) -> None:
    """Kill this process by SIGKILL, as a machine crash would, if the environment selects this passage."""
    selected = os.environ.get(ENV_VARIABLE)
    if selected is None or not selected.startswith(point):
        return
    with _lock:
        _passages[point] += 1
        if selected in {point, f"{point}:1"} or selected == f"{point}:{_passages[point]}":
            os.kill(os.getpid(), signal.SIGKILL)
