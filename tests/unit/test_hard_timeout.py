import subprocess
import sys
from datetime import timedelta

from shopnow import hard_timeout
from shopnow.settings import ROOT

# A lock taken twice: it waits below Python, where no signal handler runs until it is over.
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


def test_ends_a_process_that_hangs_below_python_and_says_where() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGS],
        env={"PYTHONPATH": str(ROOT / "include")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
    assert "<string>" in ended.stderr


def test_stopped_it_ends_nothing() -> None:
    hard_timeout.start(timedelta(days=1))
    hard_timeout.cancel()
