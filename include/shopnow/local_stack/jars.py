"""Downloads the jars that the services need beyond the pyspark package's, pinned and verified by a lock file.

They are stored in the user's cache directory, which all checkouts share.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from shopnow import network_errors
from shopnow.errors import UserError
from shopnow.local_stack import download
from shopnow.settings import ROOT

LOCK = ROOT / "locks/jars.lock"

MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"

Progress = Callable[[int, int], None]
"""Called with the number of jars that were downloaded, and the total."""

_PARALLEL_DOWNLOADS = 8


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
    repository: str | None = None,
    progress: Progress = lambda done, total: None,
    services: Collection[str] = (),
) -> None:
    """Download the jars of the given services, or of all, that are not cached.

    Args:
        repository: address of a Maven repository; Maven Central if None.
        progress: called after each jar.
        services: services of the lock file; all if empty.

    Raises:
        UserError: the repository is unreachable, or a downloaded jar has another hash than the lock file.
    """
    if all(jar.is_cached() for jar in locked_jars(*services)):
        return
    if repository and not repository.startswith(download.SCHEMES):
        raise UserError(
            f"SHOPNOW_MAVEN_MIRROR is {network_errors.redact(repository)!r}: "
            "expected an http(s) or file address"
        )
    cache_dir().mkdir(parents=True, exist_ok=True)
    with _locked(cache_dir() / "lock"), ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        # Another process may have downloaded some in the meantime.
        missing = [jar for jar in locked_jars(*services) if not jar.is_cached()]
        downloads = pool.map(lambda jar: _download(jar, repository or MAVEN_CENTRAL), missing)
        try:
            for done, _ in enumerate(downloads, 1):
                progress(done, len(missing))
        except UserError:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold a lock that ends with the process."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(jar: Jar, repository: str) -> None:
    """Store a jar in the cache, if its hash is the locked one."""
    partial = jar.path.with_suffix(".part")
    folder = f"{jar.group.replace('.', '/')}/{jar.artifact}/{jar.version}"
    download.fetch(f"{repository.rstrip('/')}/{folder}/{jar.path.name}", partial, jar.size)
    digest = hashlib.sha256(partial.read_bytes()).hexdigest()
    if digest != jar.sha256:
        partial.unlink()
        raise UserError(
            f"{jar.group}:{jar.artifact}:{jar.version} is not the locked jar: its sha256 is {digest}, "
            f"expected {jar.sha256}; check the repository that serves it"
        )
    partial.replace(jar.path)
