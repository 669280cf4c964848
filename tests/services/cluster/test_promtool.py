"""Prometheus's own tool accepts the configuration, and its rules fire when they should and not otherwise."""

import subprocess
from pathlib import Path

import pytest

from shopnow.cli.test_tools import promtool_executable
from shopnow.settings import ROOT


@pytest.mark.needs("promtool")
@pytest.mark.parametrize(
    "words",
    [
        ["check", "config", ROOT / "monitoring" / "prometheus" / "prometheus.yml"],
        ["test", "rules", "rules_test.yml"],
    ],
)
def test_promtool_accepts_configuration_and_rules(words):
    executable = promtool_executable()
    assert executable, "promtool is missing: ./shopnow test installs it"
    result = subprocess.run(
        [executable, *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
