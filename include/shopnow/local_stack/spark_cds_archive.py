"""A class data sharing archive (AppCDS) for Spark: the JVM maps loaded classes instead of reading 280 jars.

It is created in two steps: a run of `warm_class_list.py` lists the classes that it loads, then the JVM
archives them. An archive is valid for one Java, one set of jars and one set of options; the file name has
their hash, so that a stale one is never used. Without an archive, or if the JVM rejects it, Spark works the
same but starts more slowly.
"""

import fcntl
import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from shopnow.local_stack import user_namespace

MAX_NICENESS = 19


def cache_key(java: Path, classpath: Iterable[Path], options: Iterable[str]) -> str:
    """Return a short hash of what an archive depends on; `java` is a Java home."""
    files = [(java / "lib" / "server" / "libjvm.so").resolve(), *classpath]
    dependencies = [
        (str(file), file.stat().st_size, file.stat().st_mtime_ns) if file.exists() else str(file)
        for file in files
    ]
    return hashlib.sha256(repr((dependencies, list(options))).encode()).hexdigest()[:12]


def jvm_options(archive: Path) -> tuple[str, ...]:
    """Return the options of a JVM that uses the archive if it can, and is silent if it cannot."""
    return (f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr")


def create_in_background(archive: Path, environment: dict[str, str], command: Sequence[str]) -> None:
    """Create the archive in a process that outlives this one and has the lowest CPU priority.

    Args:
        archive: the file to create.
        environment: variables of `spark-submit warm_class_list.py`.
        command: its command line.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    with archive.with_suffix(".log").open("w") as log:
        subprocess.Popen(
            [*user_namespace.prefix(), sys.executable, "-m", __name__, str(archive), *command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def create(archive: Path, command: Sequence[str]) -> None:
    """Create the archive atomically; does nothing if it exists or another process is creating it.

    Raises:
        subprocess.CalledProcessError: Spark or the JVM failed.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    with (archive.parent / "classes.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if archive.exists():
            return
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            class_list, classpath, temporary = (
                Path(folder) / name for name in ("classes", "classpath", "archive")
            )
            submit_options = (
                f"{os.environ['SPARK_SUBMIT_OPTS']} {shlex.quote(f'-XX:DumpLoadedClassList={class_list}')}"
            )
            subprocess.run(
                [*command, str(classpath)],
                env={**os.environ, "SPARK_SUBMIT_OPTS": submit_options},
                check=True,
            )
            # Spark's own command line adds this module; an archive is valid for one set of modules.
            java = [
                f"{os.environ['JAVA_HOME']}/bin/java",
                "--add-modules=jdk.incubator.vector",
                "-XX:+UseSerialGC",
            ]
            dump = [
                "-Xshare:dump",
                f"-XX:SharedClassListFile={class_list}",
                f"-XX:SharedArchiveFile={temporary}",
            ]
            subprocess.run([*java, *dump, "-Xlog:disable", "-cp", classpath.read_text()], check=True)
            for stale in archive.parent.glob("classes-*.jsa"):
                stale.unlink()
            temporary.replace(archive)


if __name__ == "__main__":
    os.nice(MAX_NICENESS)
    create(Path(sys.argv[1]), sys.argv[2:])
