"""How the services that run on Java are started, and log: to their standard output."""

from collections.abc import Sequence
from pathlib import Path

LOG4J = """\
status = error
rootLogger.level = warn
rootLogger.appenderRef.stdout.ref = stdout
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d{ISO8601} %-5p %c{1} %m%n
"""
"""The content of a `log4j2.properties`."""


def command(java: Path, heap_mb: int, classpath: Sequence[Path], *options: str) -> list[str]:
    """The beginning of a command line; the main class and its arguments follow. `java` is a Java home."""
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
