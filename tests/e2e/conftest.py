"""One checkout as a user has it, brought up once for all of these tests."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shopnow.settings import ROOT, Settings

Shopnow = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory, settings_on_free_ports: Callable[[Path], Settings]) -> Settings:
    return settings_on_free_ports(tmp_path_factory.mktemp("checkout") / "data").model_copy(update={"traffic": "off"})


@pytest.fixture(scope="session")
def shopnow(settings: Settings) -> Iterator[Shopnow]:
    """Runs `./shopnow` with some words."""
    environment = {f"SHOPNOW_{name.upper()}": str(value) for name, value in settings.model_dump(exclude_none=True).items()}

    def run(*words: str, check: bool = True) -> subprocess.CompletedProcess:
        command = [ROOT / "shopnow", *words]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    yield run
    run("down")


@pytest.fixture(scope="session")
def demo(shopnow: Shopnow) -> str:
    """What the demo printed."""
    return shopnow("demo", "--sessions", "300", "--seed", "1").stdout


@pytest.fixture(scope="session")
def as_json(shopnow: Shopnow) -> Callable[..., dict]:
    """What `./shopnow … --json` prints."""
    return lambda *words: json.loads(shopnow(*words, "--json").stdout)
