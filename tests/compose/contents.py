"""What is installed in the image, run in a container of it: prints a JSON object of the lists `debian`, `python` and `jars`.

It takes the standard library only, and `dpkg-query`.
"""

import hashlib
import json
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

FIELDS = ("name", "version", "architecture", "source", "source_version")
FORMAT = (
    "\t".join(("${Package}", "${Version}", "${Architecture}", "${source:Package}", "${source:Version}"))
    + "\n"
)


def debian() -> list[dict[str, str]]:
    listed = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={FORMAT}"], check=True, text=True, stdout=subprocess.PIPE
    ).stdout
    return [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in listed.splitlines()]


def python() -> list[dict[str, str]]:
    return [
        {"name": each.metadata["Name"], "version": each.version}
        for each in metadata.distributions(path=[*map(str, site_packages())])
    ]


def site_packages() -> list[Path]:
    return [
        Path(folder)
        for folder in sys.path
        if folder.startswith(sys.prefix) and folder.endswith("site-packages")
    ]


def jars(*folders: Path) -> list[dict]:
    """Every jar below the folders: its SHA-256, and the Maven coordinates it says to hold, of its own and of what is packed into it."""
    found = []
    for file in sorted(file for folder in folders for file in folder.rglob("*.jar")):
        with zipfile.ZipFile(file) as jar:
            poms = [
                name
                for name in jar.namelist()
                if name.startswith("META-INF/maven/") and name.endswith("/pom.properties")
            ]
            holds = [properties(jar.read(name).decode()) for name in poms]
        found.append(
            {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "holds": holds}
        )
    return found


def properties(text: str) -> dict[str, str]:
    """Those of a `pom.properties`: groupId, artifactId, version."""
    lines = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip() for name, equals, value in lines if equals}


if __name__ == "__main__":
    json.dump(
        {
            "debian": debian(),
            "python": python(),
            "jars": jars(*site_packages(), Path("/var/cache/shopnow/jars")),
        },
        sys.stdout,
    )
