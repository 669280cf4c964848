"""The import contracts of pyproject.toml: what may import what."""

import importlib

import pytest

from shopnow.settings import ROOT


def test_imports_keep_the_contracts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """Run import-linter, which reads import statements and imports no module of the project."""
    cli = importlib.import_module("importlinter.cli")
    monkeypatch.chdir(ROOT)
    exit_code = cli.lint_imports(no_cache=True)
    assert exit_code == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out
