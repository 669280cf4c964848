"""`./shopnow` in a fresh checkout without network."""

import os
import shutil
import subprocess
import sys

from shopnow.settings import ROOT


def test_no_network_is_reported_in_one_line(tmp_path):
    modules = ("__init__", "errors", "launch_environment", "network_errors", "paths")
    for name in (
        *("shopnow", "requirements.txt", "locks/uv.txt"),
        *(f"include/shopnow/{module}.py" for module in modules),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    environment = os.environ | {
        "PIP_INDEX_URL": "http://127.0.0.1:1/simple",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
    }
    process = subprocess.run(
        [sys.executable, tmp_path / "shopnow", "up"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith("shopnow: ")
    assert "check the network" in process.stderr.splitlines()[-1]
    assert not (tmp_path / ".venv" / "shopnow.lock").exists()
