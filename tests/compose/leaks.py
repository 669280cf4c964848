#!/usr/bin/env python3
"""Looks for secrets where none belongs: the image's layers, history and settings, and the containers' settings and logs.

    tests/compose/leaks.py --project shopnow --secrets .env

It needs Docker and Python, nothing else. Prints where it looked and what it found, by the secrets' names, never a secret; exits 1 if it
found one. A layer's files are looked through as they are, so not what is compressed within one.
"""

import argparse
import gzip
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "shopnow:local"
PIECE = 64 << 20
SHORT = 16
"""So many characters of a key may be anywhere by chance."""

Needles = Mapping[str, Iterable[bytes]]
"""By a secret's name, what betrays it."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", default="shopnow", help="of Docker Compose")
    parser.add_argument("--secrets", type=Path, default=Path(".env"), help="the file they are in")
    parser.add_argument("--image", default=IMAGE)
    given = parser.parse_args()
    found = leaks(given.project, needles(given.secrets.read_text()), given.image)
    for place, names in found.items():
        print(f"{'LEAKED ' + ', '.join(names) if names else 'none'}  {place}")
    return 1 if any(found.values()) else 0


def leaks(project: str, secrets: Needles, image: str = IMAGE) -> dict[str, list[str]]:
    """By place, the names of the secrets found there.

    Raises:
        RuntimeError: there are no containers of that project.
        subprocess.CalledProcessError: Docker refuses.
    """
    containers = _asked(
        "ps", "--all", "--format", "{{.Names}}", "--filter", f"label=com.docker.compose.project={project}"
    ).split()
    if not containers:
        raise RuntimeError(f"there are no containers of {project} to look at")
    found = {
        f"history of {image}": held([_asked("history", "--no-trunc", image).encode()], secrets),
        f"settings of {image}": held([_asked("image", "inspect", image).encode()], secrets),
    }
    with _said("save", image) as layers:
        found[f"layers of {image}"] = in_layers(layers, secrets)
    for name in sorted(containers):
        found[f"settings of {name}"] = held([_asked("inspect", name).encode()], secrets)
        with _said("logs", name) as logs:
            found[f"logs of {name}"] = held(_pieces(logs), secrets)
    return found


def needles(text: str) -> dict[str, list[bytes]]:
    """What betrays each secret that docker-compose.yaml names, from a `.env`: its value; of a certificate, each line of its key.

    Raises:
        RuntimeError: it is not there, or has no value.
    """
    compose = (ROOT / "docker-compose.yaml").read_text()
    found = {}
    for name, variable in re.findall(r"^  (\w+): \{environment: (\w+)\}$", compose, re.MULTILINE):
        value = re.search(rf'^{variable}=(?:"([^"]+)"|([^"\n]+))$', text, re.MULTILINE)
        if not value:
            raise RuntimeError(f"there is no {variable} among the secrets")
        if (plain := value[1] or value[2]) and "-----BEGIN" not in plain:
            found[name] = [plain.encode()]
        elif key := re.search(
            r"PRIVATE KEY-----(.*?)-----END", plain, re.DOTALL
        ):  # which the authority's certificate has not
            found[name] = [line.encode() for line in key[1].split() if len(line) > SHORT]
    return found


def held(pieces: Iterable[bytes], secrets: Needles) -> list[str]:
    """The names of the secrets in a text that comes in pieces, also of those that two pieces share."""
    found: set[str] = set()
    overlap = max((len(needle) for each in secrets.values() for needle in each), default=1) - 1
    rest = b""
    for piece in pieces:
        text = rest + piece
        found |= {
            name
            for name, each in secrets.items()
            if name not in found and any(needle in text for needle in each)
        }
        rest = text[-overlap:] if overlap else b""
    return sorted(found)


def in_layers(saved: IO[bytes], secrets: Needles) -> list[str]:
    """The names of the secrets in any of the files that `docker save` writes: every layer, and the image's own settings."""
    found: set[str] = set()
    with tarfile.open(fileobj=saved, mode="r|") as files:
        for file in files:
            if content := files.extractfile(file):
                found |= set(held(_pieces(content), secrets))
    # To its end, or Docker could not write it.
    while saved.read(PIECE):
        pass
    return sorted(found)


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """What a stream holds, unpacked if it is a gzip's, as layers can be."""
    first = stream.read(2)
    source = gzip.GzipFile(fileobj=_Again(first, stream)) if first == b"\x1f\x8b" else _Again(first, stream)
    while piece := source.read(PIECE):
        yield piece


class _Again:
    """A stream of which the beginning was read already."""

    def __init__(self, beginning: bytes, stream: IO[bytes]) -> None:
        self._beginning, self._stream = beginning, stream

    def read(self, size: int) -> bytes:
        beginning, self._beginning = self._beginning, b""
        return beginning or self._stream.read(size)


@contextmanager
def _said(*words: str) -> Iterator[IO[bytes]]:
    """All that Docker says to a command, as it comes.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    with subprocess.Popen(
        ["docker", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT if words[0] == "logs" else None
    ) as said:
        yield said.stdout
    if said.returncode:
        raise subprocess.CalledProcessError(said.returncode, said.args)


def _asked(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, text=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    sys.exit(main())
