import subprocess
import sys

from shopnow.settings import ROOT

# A mutex locked twice blocks in native code, where no Python signal handler runs.
HANGS = """
import ctypes, signal
from datetime import timedelta
from shopnow import hard_timeout
signal.signal(signal.SIGALRM, lambda *_: exit("the alarm came through"))
signal.setitimer(signal.ITIMER_REAL, 0.2)
hard_timeout.start(timedelta(seconds=1))
lock = ctypes.create_string_buffer(64)
for _ in range(2):
    ctypes.CDLL(None).pthread_mutex_lock(lock)
"""


CANCELED = """
import time
from datetime import timedelta
from shopnow import hard_timeout
hard_timeout.start(timedelta(milliseconds=300))
hard_timeout.cancel()
time.sleep(1)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "include")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_ends_a_process_that_blocks_in_native_code_and_prints_its_stack() -> None:
    process = run(HANGS)
    assert process.returncode == 1
    assert "Timeout" in process.stderr
    assert "<string>" in process.stderr


def test_a_canceled_timeout_does_not_end_the_process() -> None:
    process = run(CANCELED)
    assert (process.returncode, process.stderr) == (0, "")
