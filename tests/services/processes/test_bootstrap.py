"""`./shopnow` in a fresh checkout: it says in one line why it cannot install."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shopnow.settings import ROOT
from support import tls_proxy

FILES = (
    *("shopnow", "requirements.txt", "locks/uv.txt"),
    *(
        f"include/shopnow/{module}.py"
        for module in ("__init__", "errors", "launch_environment", "network_errors", "paths")
    ),
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy_to(tmp_path / "é x")
    return tmp_path / "é x"


def copy_to(folder: Path) -> None:
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def last_line(checkout: Path, environment: dict[str, str]) -> str:
    """Run `up`, which must fail; returns the last line of its errors."""
    variables = {"PIP_FIND_LINKS": "", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    process = subprocess.run(
        [sys.executable, checkout / "shopnow", "up"],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 1
    assert "secret" not in process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    assert not (checkout / ".venv" / "shopnow.lock").exists()
    line = process.stderr.splitlines()[-1]
    assert line.startswith("shopnow: ")
    return line


def test_no_network_is_reported_in_one_line(checkout):
    environment = os.environ | {"PIP_INDEX_URL": "http://127.0.0.1:1/simple"}
    assert "nothing answers there: check the network" in last_line(checkout, environment)


def test_an_unknown_authority_is_reported_in_one_line(checkout, tmp_path):
    (tmp_path / "other").mkdir()
    other = tls_proxy.Authority(tmp_path / "other")
    with tls_proxy.run(tmp_path, login="anna:secret") as proxy:
        environment = tls_proxy.environment(proxy) | {"SSL_CERT_FILE": str(other.file)}
        assert "unknown authority: set SSL_CERT_FILE" in last_line(checkout, environment)


@pytest.mark.parametrize(
    ("folder", "variables", "problem"),
    [
        ("a, b", {}, "move the project to another folder"),
        ("fine", {"REQUESTS_CA_BUNDLE": "/nowhere.pem"}, "REQUESTS_CA_BUNDLE=/nowhere.pem does not exist"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(tmp_path, folder, variables, problem):
    copy_to(tmp_path / folder)
    inherited = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
    assert problem in last_line(tmp_path / folder, inherited | variables)
    written = {str(path.relative_to(tmp_path / folder)) for path in (tmp_path / folder).rglob("*.*")}
    assert {name for name in written if "__pycache__" not in name} <= set(FILES)
