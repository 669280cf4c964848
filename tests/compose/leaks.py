#!/usr/bin/env python3
"""Search for leaked secrets in the image, and in the settings, command lines and logs of containers.

    tests/compose/leaks.py --project shopnow --secrets .env

Requires Docker and Python, nothing else. Prints each place that was searched and the names of the secrets
found there, never a secret's value; exits 1 if any was found. Files of a layer are searched as they are, so
not within compressed files.
"""

import argparse
import gzip
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "shopnow:local"
CHUNK_BYTES = 64 << 20
MIN_KEY_LINE = 16
"""Lines of a private key up to this many characters may match by chance, so they are not searched for."""

Needles = Mapping[str, Iterable[bytes]]
"""Byte strings that reveal a secret, by the secret's name."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", default="shopnow", help="name of the Compose project")
    parser.add_argument("--secrets", type=Path, default=Path(".env"), help="file that holds the secrets")
    parser.add_argument("--image", default=IMAGE)
    arguments = parser.parse_args()
    leaks = find_leaks(arguments.project, needles(arguments.secrets.read_text()), arguments.image)
    for place, names in leaks.items():
        print(f"{'LEAKED ' + ', '.join(names) if names else 'none'}  {place}")
    return 1 if any(leaks.values()) else 0


def find_leaks(project: str, secrets: Needles, image: str = IMAGE) -> dict[str, list[str]]:
    """Search the image and the project's containers; return the names of the secrets found, by place.

    In the image these are its layers, history and settings; of containers settings, command lines and logs.

    Raises:
        RuntimeError: the project has no containers.
        subprocess.CalledProcessError: a Docker command failed.
    """
    project_filter = f"label=com.docker.compose.project={project}"
    containers = _docker("ps", "--all", "--format", "{{.Names}}", "--filter", project_filter).split()
    running = _docker("ps", "--format", "{{.Names}}", "--filter", project_filter).split()
    if not containers:
        raise RuntimeError(f"project {project} has no containers to search: start it, or pass --project")
    leaks = {
        f"history of {image}": search([_docker("history", "--no-trunc", image).encode()], secrets),
        f"settings of {image}": search([_docker("image", "inspect", image).encode()], secrets),
    }
    with _docker_stream("save", image) as archive:
        leaks[f"layers of {image}"] = search_image(archive, secrets)
    for name in sorted(containers):
        leaks[f"settings of {name}"] = search([_docker("inspect", name).encode()], secrets)
        if name in running:
            processes = _docker("top", name, "-ww", "-eo", "pid,args")
            leaks[f"command lines of {name}"] = search([processes.encode()], secrets)
        with _docker_stream("logs", name) as logs:
            leaks[f"logs of {name}"] = search(_chunks(logs), secrets)
    return leaks


def needles(env_text: str) -> dict[str, list[bytes]]:
    """Return the byte strings that reveal each secret of docker-compose.yaml, given the text of its `.env`.

    These are the secret's value, also as spelled in JSON and URLs; of a certificate, the lines of its
    private key.

    Raises:
        RuntimeError: a secret is missing or empty.
    """
    compose = (ROOT / "docker-compose.yaml").read_text()
    by_name = {}
    for name, variable in re.findall(r"^  (\w+): \{environment: (\w+)\}$", compose, re.MULTILINE):
        pattern = rf"""^{variable}=(?:"([^"]+)"|'([^']+)'|([^"'\n]+))$"""
        match = re.search(pattern, env_text, re.MULTILINE)
        if not match:
            raise RuntimeError(f"{variable} is missing among the secrets")
        value = match[1] or match[2] or match[3]
        if "-----BEGIN" not in value:
            # As it is, in JSON, and in a URL.
            spellings = {value, json.dumps(value)[1:-1], quote(value, safe="")}
            by_name[name] = [spelling.encode() for spelling in sorted(spellings)]
        # The authority's certificate is public and has no key.
        elif key := re.search(r"PRIVATE KEY-----(.*?)-----END", value, re.DOTALL):
            by_name[name] = [line.encode() for line in key[1].split() if len(line) > MIN_KEY_LINE]
    return by_name


def search(chunks: Iterable[bytes], secrets: Needles) -> list[str]:
    """Return the names of the secrets in a text, including those that span two chunks."""
    names: set[str] = set()
    overlap = max((len(needle) for group in secrets.values() for needle in group), default=1) - 1
    tail = b""
    for chunk in chunks:
        text = tail + chunk
        names |= {
            name
            for name, group in secrets.items()
            if name not in names and any(needle in text for needle in group)
        }
        tail = text[-overlap:] if overlap else b""
    return sorted(names)


def search_image(archive: IO[bytes], secrets: Needles) -> list[str]:
    """Return the names of the secrets in any file of a `docker save` archive: layers and image settings."""
    names: set[str] = set()
    with tarfile.open(fileobj=archive, mode="r|") as files:
        for file in files:
            if content := files.extractfile(file):
                names |= set(search(_chunks(content), secrets))
    # Docker blocks until its whole output is read.
    while archive.read(CHUNK_BYTES):
        pass
    return sorted(names)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of a stream, decompressed if it is gzip, as layers can be."""
    magic = stream.read(2)
    rewound = _Rewound(magic, stream)
    source = gzip.GzipFile(fileobj=rewound) if magic == b"\x1f\x8b" else rewound
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


class _Rewound:
    """A stream whose first bytes, already read, are returned again."""

    def __init__(self, beginning: bytes, stream: IO[bytes]) -> None:
        self._beginning, self._stream = beginning, stream

    def read(self, size: int) -> bytes:
        beginning, self._beginning = self._beginning, b""
        return beginning or self._stream.read(size)


@contextmanager
def _docker_stream(*words: str) -> Iterator[IO[bytes]]:
    """Stream the output of a Docker command; of `docker logs` also its standard error.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    stderr = subprocess.STDOUT if words[0] == "logs" else None
    with subprocess.Popen(["docker", *words], stdout=subprocess.PIPE, stderr=stderr) as process:
        yield process.stdout
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, text=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    sys.exit(main())
