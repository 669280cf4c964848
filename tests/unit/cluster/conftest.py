"""A container of the cluster with every secret mounted, which records the secrets that are read."""

from pathlib import Path
from typing import NamedTuple

import pytest

from shopnow.cluster import airflow as cluster_airflow
from shopnow.cluster import (
    health,
    make_secrets,
    postgres,
    redis,
    secret_files,
    spark,
    tools,
)
from shopnow.cluster.services import Container
from shopnow.cluster.settings import ClusterSettings
from shopnow.settings import Settings

HARD_CHARACTERS = "a@b:/%#?&=+ $x\\\"',;]{}~"
"""Characters that mean something in a URL, a shell, or one of the configuration files."""


class SecretsFolder(NamedTuple):
    """A folder of secrets that records which files are asked for."""

    folder: Path
    asked: set[str]

    def __truediv__(self, name: str) -> Path:
        self.asked.add(name)
        return self.folder / name


@pytest.fixture
def secrets_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SecretsFolder:
    """The mounted secrets: passwords of hard characters, and certificates."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, value in make_secrets.generate_secrets().items():
        is_password = not value.startswith("-----")
        (folder / name).write_text(f"{HARD_CHARACTERS} of {name}\n" if is_password else value)
    recorder = SecretsFolder(folder, set())
    monkeypatch.setattr(secret_files, "SECRETS_DIR", recorder)
    return recorder


@pytest.fixture
def container(secrets_folder: SecretsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    """A container with every secret mounted."""
    run = tmp_path / "run"
    run.mkdir()
    for module, name, file in (
        (spark, "CONF_DIR", "spark"),
        (tools, "ADMIN_PROPERTIES", "admin.properties"),
        (redis, "_CONFIG_FILE", "redis.conf"),
        (postgres, "_CERTIFICATE", "postgres.pem"),
        (cluster_airflow, "PASSWORD_FILE", "passwords.json"),
        (health, "SERVICE_FILE", "service"),
    ):
        monkeypatch.setattr(module, name, run / file)
    monkeypatch.setenv("SHOPNOW_DATA_DIR", str(tmp_path / "data"))
    settings = Settings(data_dir=tmp_path / "data")
    settings.data_dir.mkdir()
    return Container(ClusterSettings(), settings, Path("/usr/lib/jvm/some"))
