"""Downloads the jars that the services need beyond the pyspark package's, pinned and verified by a lock file.

They are stored in the user's cache directory, which all checkouts share.
"""

import fcntl
import hashlib
import os
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from shopnow.errors import UserError
from shopnow.settings import ROOT

LOCK = ROOT / "locks/jars.lock"

Progress = Callable[[str, int, int], None]
"""Called with a step ("found" or "fetched"), the number of jars that completed it, and the total."""


class Jar(NamedTuple):
    """A line of the lock file."""

    service: str
    sha256: str
    size: int
    group: str
    artifact: str
    version: str

    @property
    def path(self) -> Path:
        return cache_dir() / f"{self.artifact}-{self.version}.jar"

    def is_cached(self) -> bool:
        return self.path.is_file() and self.path.stat().st_size == self.size


def cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shopnow" / "jars"


def locked_jars(*services: str) -> list[Jar]:
    """Return the jars of the given services, or of all, as the lock file has them."""
    rows = [line.split() for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    jars = [
        Jar(service, sha256, int(size), *coordinates.split(":"))
        for service, sha256, size, coordinates in rows
    ]
    return [jar for jar in jars if not services or jar.service in services]


def classpath(*services: str) -> list[Path]:
    return [jar.path for jar in locked_jars(*services)]


def pyspark_home() -> Path:
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise UserError(
            "the pyspark package is missing: run ./shopnow again, it installs the locked packages"
        )
    return Path(spec.origin).parent


def pyspark_jar(artifact: str) -> Path:
    """Return a jar of the pyspark package by its artifact name, without the version."""
    [path] = (pyspark_home() / "jars").glob(f"{artifact}-[0-9]*.jar")
    return path


def install(
    java: Path,
    mirror: str | None = None,
    progress: Progress = lambda step, done, total: None,
    services: Collection[str] = (),
) -> None:
    """Download the jars of the given services, or of all, that are not cached.

    Args:
        java: a Java home, which runs Ivy.
        mirror: address of a Maven repository; Maven Central by Ivy if None.
        progress: called after each jar.
        services: services of the lock file; all if empty.

    Raises:
        UserError: the repository is unreachable, or a downloaded jar has another hash than the lock file.
    """
    if all(jar.is_cached() for jar in locked_jars(*services)):
        return
    cache_dir().mkdir(parents=True, exist_ok=True)
    with _locked(cache_dir() / "lock"), tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
        missing = [jar for jar in locked_jars(*services) if not jar.is_cached()]
        if not missing:  # another process has downloaded them meanwhile
            return
        target = Path(folder)
        if mirror:
            _download_from_mirror(missing, mirror, target, progress)
        else:
            _download_by_ivy(missing, java, target, progress)
        for jar in missing:
            _store_verified(jar, target / jar.path.name)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold a lock that ends with the process."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _store_verified(jar: Jar, file: Path) -> None:
    """Move a downloaded jar to the cache, if its hash is the locked one."""
    name = f"{jar.group}:{jar.artifact}:{jar.version}"
    if not file.is_file():
        raise UserError(
            f"downloading {name} failed: check the network, or set SHOPNOW_MAVEN_MIRROR to a Maven "
            "repository that this machine reaches"
        )
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != jar.sha256:
        raise UserError(
            f"{name} is not the locked jar: its sha256 is {digest}, expected {jar.sha256}; "
            "check the repository that serves it"
        )
    file.replace(jar.path)


def _download_from_mirror(jars: Iterable[Jar], mirror: str, target: Path, progress: Progress) -> None:
    jars = list(jars)
    if not mirror.startswith(("https://", "http://", "file://")):
        raise UserError(f"SHOPNOW_MAVEN_MIRROR is {mirror!r}: expected an http(s) or file address")

    def download(jar: Jar) -> None:
        url = (
            f"{mirror.rstrip('/')}/{jar.group.replace('.', '/')}/{jar.artifact}/{jar.version}/{jar.path.name}"
        )
        try:
            with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310  (scheme checked above)
                (target / jar.path.name).write_bytes(response.read())
        except OSError as error:
            raise UserError(f"downloading {url} (SHOPNOW_MAVEN_MIRROR) failed: {error}") from None

    with ThreadPoolExecutor(8) as pool:
        for done, _ in enumerate(pool.map(download, jars), 1):
            progress("fetched", done, len(jars))


def _download_by_ivy(jars: list[Jar], java: Path, target: Path, progress: Progress) -> None:
    """Download by the Ivy that ships with pyspark, which knows Maven Central and needs no settings."""
    dependencies = "".join(
        f"<dependency org={quoteattr(jar.group)} name={quoteattr(jar.artifact)} rev={quoteattr(jar.version)} "
        f'transitive="false" conf="default->master"/>'
        for jar in jars
    )
    module = target / "ivy.xml"
    module.write_text(
        '<ivy-module version="2.0"><info organisation="shopnow" module="jars"/>'
        '<configurations><conf name="default"/></configurations>'
        f"<dependencies>{dependencies}</dependencies></ivy-module>"
    )
    pattern = f"{target}/[artifact]-[revision].[ext]"
    command: list[str | Path] = [
        java / "bin" / "java",
        "-jar",
        pyspark_jar("ivy"),
        "-cache",
        target / "ivy",
        "-ivy",
        module,
        "-types",
        "jar",
        "bundle",
    ]
    with subprocess.Popen(
        [*command, "-retrieve", pattern], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as ivy:
        counts = {"found": 0, "fetched": 0}
        for line in ivy.stdout or ():
            if "[SUCCESSFUL ]" in line:
                step = "fetched"
            elif line.strip().startswith("found "):
                step = "found"
            else:
                continue
            counts[step] += 1
            progress(step, counts[step], len(jars))
