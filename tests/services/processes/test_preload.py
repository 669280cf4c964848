"""The modules that Airflow's services import before they fork work in the fork."""

import subprocess
import sys

from shopnow.settings import ROOT

FORK = """
import os, runpy, sys
from importlib import import_module
preload = runpy.run_path(sys.argv[1])
for module in preload["MODULES"] + preload["SCHEDULER_MODULES"]:
    import_module(module)
if not os.fork():
    from shopnow.alerts.evaluate import evaluate
    evaluate(sys.argv[2], "run")
    evaluate(sys.argv[2], "run")
    from shopnow_spark import small_changes
    sys.exit(small_changes.refresh("sc://127.0.0.1:1", sys.argv[2]))
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_fork_evaluates_alerts_and_calls_an_engine(tmp_path):
    command = [sys.executable, "-c", FORK, ROOT / "plugins" / "shopnow_preload.py", tmp_path.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
