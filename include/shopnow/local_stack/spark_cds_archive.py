"""An archive of Spark's classes, read and checked once, from which the driver's JVM starts instead of from 280 jars (AppCDS).

Two steps make it: a run of `warm_class_list.py` lists the classes it loads, then the JVM archives them. The archive holds for one
Java, these jars and these options, which is in its name, so a stale one is never found. Without it, or where the JVM does
not accept it, Spark starts as ever, only slower.
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

MAX_NICENESS = 19


def cache_key(java: Path, classpath: Iterable[Path], options: Iterable[str]) -> str:
    """A short name for what an archive depends on; `java` is a Java home."""
    files = [(java / "lib" / "server" / "libjvm.so").resolve(), *classpath]
    facts = [
        (str(file), file.stat().st_size, file.stat().st_mtime_ns) if file.exists() else str(file)
        for file in files
    ]
    return hashlib.sha256(repr((facts, list(options))).encode()).hexdigest()[:12]


def jvm_options(archive: Path) -> tuple[str, ...]:
    """The options of a JVM that is to use the archive if it is there, and to say nothing if it cannot."""
    return (f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr")


def create_in_background(archive: Path, environment: dict[str, str], command: Sequence[str]) -> None:
    """Makes the archive in a process of its own, which goes on after this one, and only while nothing else wants to run.

    `environment` and `command` are those of `spark-submit warm_class_list.py`.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    with archive.with_suffix(".log").open("w") as log:
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(archive), *command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def create(archive: Path, command: Sequence[str]) -> None:
    """Makes the archive, whole or not at all; leaves it to another process that is at it already.

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
            classes, classpath, made = (Path(folder) / name for name in ("classes", "classpath", "archive"))
            submit_options = (
                f"{os.environ['SPARK_SUBMIT_OPTS']} {shlex.quote(f'-XX:DumpLoadedClassList={classes}')}"
            )
            subprocess.run(
                [*command, str(classpath)],
                env={**os.environ, "SPARK_SUBMIT_OPTS": submit_options},
                check=True,
            )
            # The module is one of those Spark's own command line adds.
            java = [
                f"{os.environ['JAVA_HOME']}/bin/java",
                "--add-modules=jdk.incubator.vector",
                "-XX:+UseSerialGC",
            ]
            dump = ["-Xshare:dump", f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={made}"]
            subprocess.run([*java, *dump, "-Xlog:disable", "-cp", classpath.read_text()], check=True)
            for stale in archive.parent.glob("classes-*.jsa"):
                stale.unlink()
            made.replace(archive)


if __name__ == "__main__":
    os.nice(MAX_NICENESS)
    create(Path(sys.argv[1]), sys.argv[2:])
