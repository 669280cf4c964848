"""Build a CycloneDX bill of materials of the image from its inventory and the lock files.

Pure functions; the script `sbom` reads the inventory and prints the result. Formats:
https://cyclonedx.org/docs/1.6/json/ and, for package URLs (purl), https://github.com/package-url/purl-spec.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]

BUILD_TOOLS = ("esbuild", "typescript")
"""npm packages that build the tab's `app.js` but are not bundled into it."""


def build_bom(image: str, created: str, components: Iterable[Component]) -> dict[str, Any]:
    """Build the bill of materials, with duplicate components removed.

    Args:
        image: name of the image.
        created: time of creation in RFC 3339.
    """
    unique = {json.dumps(component, sort_keys=True): component for component in components}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"timestamp": created, "component": {"type": "container", "name": image}},
        "components": sorted(
            unique.values(),
            key=lambda component: (component.get("purl", ""), component["name"], component["version"]),
        ),
    }


def debian_components(packages: Iterable[Mapping[str, str]]) -> list[Component]:
    """Build components of Debian packages, with their source packages, to which Debian's advisories refer."""
    components = []
    for package in packages:
        name, version = package["name"], package["version"]
        qualifiers = f"arch={package['architecture']}&distro=bookworm"
        purl = f"pkg:deb/debian/{_quoted(name)}@{_quoted(version)}?{qualifiers}"
        source = {"name": "debian:source", "value": f"{package['source']} {package['source_version']}"}
        components.append(_component(name, version, purl, properties=[source]))
    return components


def python_components(
    packages: Iterable[Mapping[str, str]], locked_hashes: Mapping[tuple[str, str], list[str]]
) -> list[Component]:
    """Build components of Python packages.

    Args:
        locked_hashes: SHA-256 of each release's files, by name and version; one of those files was installed.
    """
    components = []
    for package in packages:
        name, version = normalize_name(package["name"]), package["version"]
        component = _component(name, version, f"pkg:pypi/{_quoted(name)}@{_quoted(version)}")
        if hashes := locked_hashes.get((name, version)):
            component["externalReferences"] = [
                {
                    "type": "distribution",
                    "url": component["purl"],
                    "comment": "one of the files with these hashes was installed",
                    "hashes": [_hash("SHA-256", digest) for digest in hashes],
                }
            ]
        components.append(component)
    return components


def jar_components(
    jars: Iterable[Mapping[str, Any]], locked_coordinates: Mapping[str, tuple[str, str, str]]
) -> list[Component]:
    """Build components of jars, with the libraries shaded into a jar as its subcomponents.

    Args:
        locked_coordinates: Maven coordinates by SHA-256. A jar that is not locked is identified by its own
            Maven properties or, if it has none, by its hash without a purl.
    """
    return [_jar_component(jar, locked_coordinates.get(jar["sha256"])) for jar in jars]


def npm_components(package_lock: Mapping[str, Any]) -> list[Component]:
    """Build components of the npm packages that are bundled into the tab's pages."""
    components = []
    for path, package in package_lock["packages"].items():
        name = path.removeprefix("node_modules/")
        if name and not package.get("optional") and name not in BUILD_TOOLS:
            algorithm, _, digest = package["integrity"].partition("-")
            purl = f"pkg:npm/{quote(name, safe='/')}@{_quoted(package['version'])}"
            component = _component(name, package["version"], purl)
            component["hashes"] = [
                _hash(algorithm.upper().replace("SHA", "SHA-"), base64.b64decode(digest).hex())
            ]
            components.append(component)
    return components


def parse_python_lock(text: str) -> dict[tuple[str, str], list[str]]:
    """Parse a `requirements.txt` with hashes into the SHA-256 of a release's files, by name and version."""
    hashes: dict[tuple[str, str], list[str]] = {}
    for line in text.splitlines():
        if release := re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", line):
            files = hashes.setdefault((normalize_name(release[1]), release[2]), [])
        elif digest := re.search(r"--hash=sha256:([0-9a-f]{64})", line):
            files.append(digest[1])
    return hashes


def parse_jar_lock(text: str) -> dict[str, tuple[str, str, str]]:
    """Parse `locks/jars.lock` into group, artifact and version by SHA-256."""
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {sha256: tuple(coordinates.split(":")) for _, sha256, _, coordinates in rows}


def normalize_name(name: str) -> str:
    """Normalize a Python package's name as package indexes do."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_versions(text: str) -> dict[str, dict[str, str]]:
    """Read a bill of materials into versions by name, by purl type: `deb`, `pypi`, `maven`, `npm`.

    Components without purl are of type `jar`.
    """
    versions: dict[str, dict[str, str]] = {"deb": {}, "pypi": {}, "maven": {}, "npm": {}, "jar": {}}

    def add(components: Iterable[Component]) -> None:
        for component in components:
            purl_type = (
                component["purl"].partition(":")[2].partition("/")[0] if "purl" in component else "jar"
            )
            name = f"{component['group']}:{component['name']}" if "group" in component else component["name"]
            versions[purl_type][name] = component["version"]
            add(component.get("components", ()))

    add(json.loads(text)["components"])
    return versions


def _jar_component(jar: Mapping[str, Any], locked: tuple[str, str, str] | None) -> Component:
    stem = jar["file"].removesuffix(".jar")
    libraries = [
        (properties["groupId"], properties["artifactId"], properties["version"])
        for properties in jar["holds"]
        if {"groupId", "artifactId", "version"} <= set(properties)
    ]
    own = locked or next((library for library in libraries if stem == f"{library[1]}-{library[2]}"), None)
    if own:
        component = _maven_component(*own)
    else:
        name, _, version = (
            re.split(r"(-)(?=\d)", stem, maxsplit=1) if re.search(r"-\d", stem) else (stem, "", "")
        )
        component = _component(name, version)
    component["hashes"] = [_hash("SHA-256", jar["sha256"])]
    if shaded := sorted({library for library in libraries if library != own}):
        component["components"] = [_maven_component(*library) for library in shaded]
    return component


def _maven_component(group: str, artifact: str, version: str) -> Component:
    purl = f"pkg:maven/{_quoted(group)}/{_quoted(artifact)}@{_quoted(version)}"
    return _component(artifact, version, purl, group=group)


def _component(name: str, version: str, purl: str | None = None, **fields: Any) -> Component:
    return {"type": "library", "name": name, "version": version, **({"purl": purl} if purl else {}), **fields}


def _hash(algorithm: str, digest: str) -> dict[str, str]:
    return {"alg": algorithm, "content": digest}


def _quoted(text: str) -> str:
    return quote(text, safe="")
