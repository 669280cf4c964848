"""What imports do: DAG files no I/O and nothing large; modules of an image's build stage need no others."""

import os
import re
import shutil
import subprocess
import sys

from shopnow.settings import ROOT

FILES = sorted((ROOT / "dags").glob("*.py"))


def test_no_io_at_import():
    """Loading a DAG file connects nowhere, starts no process, writes no file and reads no settings file.

    It imports no large library either: Airflow parses each file every 30 seconds, in a new process.
    """
    script = """
import runpy, sys
for file in sys.argv[1:]:
    runpy.run_path(file)  # first import, not audited: libraries may do I/O
violations = [f"import {name}" for name in ("pandas", "faker", "duckdb", "pyspark") if name in sys.modules]
def hook(event, args):
    if event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"}:
        violations.append(f"{event} {args[0]}")
    elif event == "open" and isinstance(args[0], str):
        path, mode = args[:2]
        if (set(mode or "") & set("wax+") and ".pyc" not in path) or path.endswith(".env"):
            violations.append(f"open {path}")
sys.addaudithook(hook)
for file in sys.argv[1:]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "shopnow"]:
        del sys.modules[name]
    runpy.run_path(file)
sys.exit("\\n".join(violations) or 0)
"""
    run = subprocess.run([sys.executable, "-c", script, *FILES], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_modules_of_the_jars_stage_can_be_imported(tmp_path):
    stage = re.split(r"^FROM ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[3]
    assert stage.startswith("packages AS jars")
    sources = [
        line.split()[1:-1] for line in stage.replace("\\\n", " ").splitlines() if line.startswith("COPY ")
    ]
    for source in (name for names in sources if not names[0].startswith("--from=") for name in names):
        (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, tmp_path / source)
    script = "from shopnow.local_stack import jars, openlineage; jars.install, openlineage.install"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "include")}
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
