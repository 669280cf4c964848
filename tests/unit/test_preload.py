"""What Airflow's services import before they fork works in the fork."""

import subprocess
import sys

from shopnow.settings import ROOT

FORK = """
import os, runpy, sys
from importlib import import_module
for module in runpy.run_path(sys.argv[1])["MODULES"]:
    import_module(module)
if not os.fork():
    from shopnow.alerts.evaluate import evaluate
    evaluate(sys.argv[2], "run")
    evaluate(sys.argv[2], "run")
    sys.exit(0)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_fork_looks_at_a_lake(tmp_path):
    words = [sys.executable, "-c", FORK, ROOT / "plugins" / "shopnow_preload.py", tmp_path.as_uri()]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
