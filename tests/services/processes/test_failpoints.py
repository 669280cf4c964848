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
def test_is_killed_at_the_selected_passage(kill_at: str, passages: int) -> None:
    process = run(kill_at)
    assert process.returncode == -signal.SIGKILL
    assert len(process.stdout.split()) == passages


@pytest.mark.parametrize("kill_at", [None, "land:write:4", "land:read", "land:wr"])
def test_is_not_killed_otherwise(kill_at: str | None) -> None:
    assert run(kill_at).returncode == 0
