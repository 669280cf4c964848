"""The compose scripts clean up after a failure; Docker is a stub that fails to build the image."""

import os
import subprocess
import sys

import pytest

from shopnow.settings import ROOT

DOCKER = """#!/bin/sh
echo "$*" >> "$DOCKER_LOG"
case "$*" in *" build "*) exit 3;; esac
"""


@pytest.fixture
def run_script(tmp_path, monkeypatch):
    """Run a script of tests/compose; return the finished process and the Docker commands it ran."""
    log = tmp_path / "docker.log"
    stub = tmp_path / "bin" / "docker"
    stub.parent.mkdir()
    stub.write_text(DOCKER)
    stub.chmod(0o755)
    paths = {"PATH": f"{stub.parent}:{os.environ['PATH']}", "DOCKER_LOG": str(log), "TMPDIR": str(tmp_path)}

    def run(script: str, *options: str):
        command = [sys.executable, ROOT / "tests" / "compose" / script, *options]
        process = subprocess.run(command, env=os.environ | paths, capture_output=True, text=True, check=False)
        return process, log.read_text().splitlines()

    return run


@pytest.mark.parametrize(("script", "profile"), [("run", "small"), ("maintain", "full")])
def test_failed_scenario_removes_the_stack_and_the_secrets(run_script, tmp_path, script, profile):
    process, commands = run_script(script)
    assert process.returncode == 1
    assert process.stdout.endswith("FAILED\n")
    assert all(f"compose --project-name shopnow-test --profile {profile} " in command for command in commands)
    assert commands[0].endswith("build setup")
    assert commands[-1].endswith("--profile * down --volumes --timeout 20")
    assert list(tmp_path.glob("*.env")) == []


def test_keep_leaves_the_stack_and_the_secrets(run_script, tmp_path):
    process, commands = run_script("run", "--kill", "--keep")
    assert process.returncode == 1
    assert "--profile full" in commands[0]
    assert not [command for command in commands if " down " in command]
    [secrets] = tmp_path.glob("*.env")
    assert f"secrets in {secrets}" in process.stdout
