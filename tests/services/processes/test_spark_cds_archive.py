"""Spark's class archive is created atomically and once, with another one for other jars."""

import fcntl
import shlex
import subprocess
from pathlib import Path

import pytest

from shopnow.local_stack import spark, spark_cds_archive, stack
from shopnow.settings import Settings

SUBMIT = """\
#!/bin/sh
echo "$SPARK_SUBMIT_OPTS" > "$0.options"
printf a.jar:b.jar > "$1"
"""
JAVA = """\
#!/bin/sh
for option; do case "$option" in -XX:SharedArchiveFile=*) echo made > "${option#*=}"; esac; done
exit %d
"""


@pytest.fixture
def submit(tmp_path: Path, monkeypatch) -> Path:
    """A fake spark-submit, with a fake Java that creates archives."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-Done=1")
    executable(tmp_path / "bin" / "java", JAVA % 0)
    return executable(tmp_path / "submit", SUBMIT)


def executable(file: Path, content: str) -> Path:
    file.write_text(content)
    file.chmod(0o755)
    return file


def test_archive_replaces_stale_ones(tmp_path, submit):
    archive, stale = (tmp_path / "spark" / f"classes-{name}.jsa" for name in ("new", "old"))
    archive.parent.mkdir()
    stale.write_text("stale")
    spark_cds_archive.create(archive, [str(submit)])
    assert archive.read_text() == "made\n"
    assert sorted(file.name for file in archive.parent.iterdir()) == ["classes-new.jsa", "classes.lock"]
    options = shlex.split(Path(f"{submit}.options").read_text())
    assert options[0] == "-Done=1"
    assert options[1].startswith("-XX:DumpLoadedClassList=")

    archive.write_text("kept")
    spark_cds_archive.create(archive, [str(submit)])
    assert archive.read_text() == "kept"


def test_failure_leaves_no_archive(tmp_path, submit):
    executable(tmp_path / "bin" / "java", JAVA % 1)
    archive = tmp_path / "spark" / "classes-new.jsa"
    archive.parent.mkdir()
    with pytest.raises(subprocess.CalledProcessError):
        spark_cds_archive.create(archive, [str(submit)])
    assert [file.name for file in archive.parent.iterdir()] == ["classes.lock"]


def test_archive_is_left_to_the_process_that_holds_the_lock(tmp_path, submit):
    with (tmp_path / "classes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        spark_cds_archive.create(tmp_path / "classes-new.jsa", [str(submit)])
    assert not (tmp_path / "classes-new.jsa").exists()


def test_key_depends_on_jars_and_options(tmp_path):
    jar = tmp_path / "a.jar"
    jar.write_text("one")
    keys = [spark_cds_archive.cache_key(tmp_path, [jar], options) for options in ([], ["-Xint"])]
    jar.write_text("other")
    assert len({*keys, spark_cds_archive.cache_key(tmp_path, [jar], [])}) == 3


def test_java_is_silent_about_an_unusable_archive(tmp_path, monkeypatch):
    settings, archive = Settings(data_dir=tmp_path), tmp_path / "classes.jsa"
    home = stack.install(settings, lambda *step: None)
    monkeypatch.setattr(spark, "cds_archive", lambda java: archive)
    environment = spark.environment(settings, home)
    options = [
        option for option in shlex.split(environment["SPARK_SUBMIT_OPTS"]) if not option.startswith("-D")
    ]
    assert f"-XX:SharedArchiveFile={archive}" in options
    for content in (None, b"", b"no archive" * 1000):
        if content is not None:
            archive.write_bytes(content)
        result = subprocess.run(
            [home / "bin" / "java", *options, "-version"], capture_output=True, text=True, check=True
        )
        assert result.stdout == ""
        assert all("archive" not in line and "cds" not in line for line in result.stderr.splitlines())
