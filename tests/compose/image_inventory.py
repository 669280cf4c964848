"""Print what is installed in the image, as JSON with the lists `debian`, `python` and `jars`.

Runs in a container of the image with the standard library and `dpkg-query` only.
"""

import hashlib
import json
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

DPKG_FIELDS = {
    "name": "${Package}",
    "version": "${Version}",
    "architecture": "${Architecture}",
    "source": "${source:Package}",
    "source_version": "${source:Version}",
}


def debian_packages() -> list[dict[str, str]]:
    """List the installed Debian packages."""
    line_format = "\t".join(DPKG_FIELDS.values()) + "\n"
    command = ["dpkg-query", "--show", f"--showformat={line_format}"]
    output = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
    return [dict(zip(DPKG_FIELDS, line.split("\t"), strict=True)) for line in output.splitlines()]


def python_packages() -> list[dict[str, str]]:
    """List the installed Python packages."""
    return [
        {"name": package.metadata["Name"], "version": package.version}
        for package in metadata.distributions(path=[*map(str, site_packages())])
    ]


def site_packages() -> list[Path]:
    return [
        Path(folder)
        for folder in sys.path
        if folder.startswith(sys.prefix) and folder.endswith("site-packages")
    ]


def jars(*folders: Path) -> list[dict]:
    """List the jars below the folders.

    Returns:
        For each jar its file name, its SHA-256, and in `holds` the Maven properties of the jar itself and
        of every library that is shaded into it.
    """
    inventory = []
    for file in sorted(file for folder in folders for file in folder.rglob("*.jar")):
        with zipfile.ZipFile(file) as jar:
            poms = [
                name
                for name in jar.namelist()
                if name.startswith("META-INF/maven/") and name.endswith("/pom.properties")
            ]
            holds = [parse_properties(jar.read(name).decode()) for name in poms]
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        inventory.append({"file": file.name, "sha256": digest, "holds": holds})
    return inventory


def parse_properties(text: str) -> dict[str, str]:
    """Parse a `pom.properties`: groupId, artifactId, version."""
    lines = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip() for name, equals, value in lines if equals}


if __name__ == "__main__":
    json.dump(
        {
            "debian": debian_packages(),
            "python": python_packages(),
            "jars": jars(*site_packages(), Path("/var/cache/shopnow/jars")),
        },
        sys.stdout,
    )
