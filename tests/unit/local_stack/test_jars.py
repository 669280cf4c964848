"""Only jars that match the lock file are stored."""

import hashlib
import http.server
import threading

import pytest

from shopnow.errors import UserError
from shopnow.local_stack import jars


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A local Maven repository with one jar and a lock file with its hash; yields address and lock file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "repository" / "org" / "example" / "thing" / "1.0"
    folder.mkdir(parents=True)
    (folder / "thing-1.0.jar").write_bytes(b"a jar")
    lock = tmp_path / "jars.lock"
    lock.write_text(f"# comment\nkafka {hashlib.sha256(b'a jar').hexdigest()} 5 org.example:thing:1.0\n")
    monkeypatch.setattr(jars, "LOCK", lock)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "repository"))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", lock
        server.shutdown()


def test_jar_is_downloaded_once_and_cached(repository):
    address, _ = repository
    progress = []
    jars.install(address, lambda *counts: progress.append(counts))
    assert [path.read_bytes() for path in jars.classpath("kafka")] == [b"a jar"]
    assert progress == [(1, 1)]
    jars.install("http://127.0.0.1:1")


def test_jar_with_another_hash_is_rejected(repository):
    address, lock = repository
    lock.write_text(f"kafka {'0' * 64} 5 org.example:thing:1.0\n")
    with pytest.raises(UserError, match="not the locked jar"):
        jars.install(address)
    assert not jars.classpath("kafka")[0].exists()


@pytest.mark.parametrize(
    ("address", "problem"),
    [("http://127.0.0.1:1", "nothing answers"), ("ftp://127.0.0.1", "SHOPNOW_MAVEN_MIRROR")],
)
def test_unreachable_mirror_gives_a_one_line_error(repository, address, problem):
    with pytest.raises(UserError, match=problem) as error:
        jars.install(address)
    assert "\n" not in str(error.value)


def test_lock_file_has_every_jar_once():
    names = [(jar.group, jar.artifact) for jar in jars.locked_jars()]
    assert len(names) == len(set(names)) > 40
    assert {jar.service for jar in jars.locked_jars()} == {"hdfs", "kafka", "spark", "spark-openlineage"}
