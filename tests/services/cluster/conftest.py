"""A container of the cluster, on the Java and the jars of this machine."""

from pathlib import Path

import pytest

from shopnow.cluster import make_secrets, secret_files
from shopnow.cluster.services import Container
from shopnow.cluster.settings import ClusterSettings
from shopnow.local_stack import stack
from shopnow.settings import Settings


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    """A container with every secret mounted."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, value in make_secrets.generate_secrets().items():
        (secrets / name).write_text(value)
    monkeypatch.setattr(secret_files, "SECRETS_DIR", secrets)
    local = Settings(data_dir=tmp_path / "data")
    return Container(ClusterSettings(), local, stack.install(local, lambda *step: None))
