import signal
import subprocess
import sys

import pytest

PROGRAM = """
from shopnow.failpoints import failpoint
for passage in range(3):
    print(passage, flush=True)
    failpoint("land:write")
    failpoint("land:writers")
"""


def run(kill_at: str | None) -> subprocess.CompletedProcess[str]:
    env = {"PYTHONPATH": "include"} | ({"SHOPNOW_KILL_AT": kill_at} if kill_at else {})
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("kill_at", "passages"), [("land:write", 1), ("land:write:1", 1), ("land:write:3", 3)]
)
def test_dies_at_the_passage_that_was_named(kill_at: str, passages: int) -> None:
    done = run(kill_at)
    assert done.returncode == -signal.SIGKILL
    assert len(done.stdout.split()) == passages


@pytest.mark.parametrize("kill_at", [None, "land:write:4", "land:read", "land:wr"])
def test_lives_otherwise(kill_at: str | None) -> None:
    assert run(kill_at).returncode == 0
