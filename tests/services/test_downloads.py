"""Downloads of jars: by the user's proxy and authorities, resumed, or refused with the cause in one line."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from shopnow.settings import ROOT
from support import tls_proxy
from support.tls_proxy import Proxy

JAR = os.urandom(300_000)
HOST = "maven.example"
LOGIN = "anna:se%3Acret"


class Repository(NamedTuple):
    port: int
    requests: list[str | None]
    """The `Range` of each request."""
    cut: list[int]
    """Sizes after which the next answers break off."""


@pytest.fixture
def repository() -> Iterator[Repository]:
    """A Maven repository that has `JAR` under every path."""
    requests: list[str | None] = []
    cut: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            requests.append(wanted)
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(JAR) - start))
            self.end_headers()
            self.wfile.write(JAR[start:][: cut.pop(0) if cut else None])

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Repository(server.server_port, requests, cut)
        server.shutdown()


@pytest.fixture
def proxy(tmp_path: Path, repository: Repository) -> Iterator[Proxy]:
    with tls_proxy.run(tmp_path, {HOST: repository.port}, LOGIN) as proxy:
        yield proxy


@pytest.fixture
def download(tmp_path: Path) -> Callable[..., str]:
    """Download the jar as a child of `./shopnow` does; returns the error, empty if there is none."""
    lock = tmp_path / "jars.lock"
    lock.write_text(f"kafka {hashlib.sha256(JAR).hexdigest()} {len(JAR)} org.example:thing:1.0\n")
    code = f"""
import os, pathlib, sys
from shopnow import launch_environment
from shopnow.errors import UserError
os.environ.update(launch_environment.prepare(os.environ, pathlib.Path({str(tmp_path)!r})))
from shopnow.local_stack import jars
jars.LOCK = pathlib.Path({str(lock)!r})
try:
    jars.install(sys.argv[1])
except UserError as error:
    sys.exit(str(error))
"""

    def download(address: str, environment: dict[str, str]) -> str:
        process = subprocess.run(
            [sys.executable, "-c", code, address],
            env=environment
            | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT / "include")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.stdout == ""
        assert len(process.stderr.splitlines()) == process.returncode <= 1, process.stderr
        file = tmp_path / "cache" / "shopnow" / "jars" / "thing-1.0.jar"
        assert file.exists() == (process.returncode == 0)
        assert not file.exists() or file.read_bytes() == JAR
        return process.stderr

    return download


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"])
def test_one_variable_is_enough_for_the_companys_authority(proxy, download, name):
    assert download(f"https://{HOST}", tls_proxy.environment(proxy, name)) == ""
    assert proxy.hosts == {HOST}


def test_another_authority_is_named_as_the_cause(proxy, download, tmp_path):
    (tmp_path / "other").mkdir()
    other = tls_proxy.Authority(tmp_path / "other")
    environment = tls_proxy.environment(proxy) | {"SSL_CERT_FILE": str(other.file)}
    error = download(f"https://{HOST}", environment)
    assert "unknown authority: set SSL_CERT_FILE" in error


@pytest.mark.parametrize(
    ("login", "cause"),
    [("", "asks for a user"), ("anna:wrong", "asks for a user"), (None, "HTTPS_PROXY")],
)
def test_a_proxy_that_refuses_is_named_as_the_cause_without_its_password(proxy, download, login, cause):
    address = "http://127.0.0.1:1" if login is None else f"http://{login}@{proxy.url.rpartition('@')[2]}"
    error = download(f"https://{HOST}", tls_proxy.environment(proxy) | {"HTTPS_PROXY": address})
    assert cause in error
    assert "wrong" not in error


def test_a_download_that_breaks_off_is_continued(repository, download):
    repository.cut.extend([100_000, 50_000])
    assert download(f"http://127.0.0.1:{repository.port}", dict(os.environ)) == ""
    assert repository.requests == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_download_continues_as_well(repository, download):
    repository.cut.extend([1, 1, 1, 1])
    address = f"http://anna:secret@127.0.0.1:{repository.port}"
    error = download(address, dict(os.environ))
    assert "secret" not in error
    assert download(address, dict(os.environ)) == ""
    assert repository.requests[-1] == "bytes=4-"
