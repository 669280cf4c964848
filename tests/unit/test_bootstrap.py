"""`./shopnow` without a `.venv`: reports in one line what is missing and how to get it."""

import importlib.util
import shutil
import sys
from importlib.machinery import SourceFileLoader
from types import SimpleNamespace

import pytest

from shopnow.settings import ROOT


@pytest.fixture
def bootstrap(tmp_path, monkeypatch):
    """The executable as a module, in an empty checkout."""
    loader = SourceFileLoader("bootstrap", str(ROOT / "shopnow"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bootstrap", loader))
    loader.exec_module(module)
    for name in ("requirements.txt", "locks/uv.txt", "docs/commands.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(module, "UV", tmp_path / ".venv" / "bin" / "uv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "shopnow.lock")
    return module


def error_line(capfd, call) -> str:
    with pytest.raises(SystemExit) as exit_:
        call()
    assert exit_.value.code == 1
    [line] = capfd.readouterr().err.strip().splitlines()[-1:]
    return line


def test_unsupported_python(bootstrap, monkeypatch, capfd):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "this is Python 3.9, expected 3.11 to 3.14" in error_line(capfd, bootstrap.use_supported_python)


def test_supported_python_on_the_path_is_used(bootstrap, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name == "python3.12" else None)
    executables = []
    monkeypatch.setattr(
        bootstrap.os, "execv", lambda path, arguments: executables.append(path) or sys.exit(0)
    )
    with pytest.raises(SystemExit):
        bootstrap.use_supported_python()
    assert executables == ["/usr/bin/python3.12"]


def test_python_without_venv(bootstrap, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert "apt install python3-venv" in error_line(capfd, bootstrap.create_venv)


def test_full_disk(bootstrap, monkeypatch, capfd):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    assert "free some space" in error_line(capfd, bootstrap.create_venv)


@pytest.mark.parametrize(("command", "expected"), [([], "./shopnow demo"), (["forget"], "./shopnow forget")])
def test_help_installs_nothing(bootstrap, monkeypatch, capsys, command, expected):
    monkeypatch.setattr(sys, "argv", ["shopnow", *command, "--help"])
    bootstrap.main()
    assert expected in capsys.readouterr().out
    assert not bootstrap.VENV.exists()


def test_installed_lock_file_is_not_installed_again(bootstrap):
    bootstrap.VENV.mkdir()
    digest = bootstrap.hashlib.sha256((bootstrap.ROOT / "requirements.txt").read_bytes()).hexdigest()
    bootstrap.STAMP.write_text(digest)
    bootstrap.install(["requirements.txt"])  # a process of pip or uv would fail the test
    assert [file.name for file in bootstrap.VENV.iterdir()] == ["shopnow.lock"]
    assert not bootstrap.is_installed(["requirements.txt", "locks/uv.txt"])
