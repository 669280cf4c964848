"""A CycloneDX bill of materials of the image, from what `contents.py` found in it and what the locks say of it.

Functions of data only; `sbom`, beside this, asks the image and prints it. https://cyclonedx.org/docs/1.6/json/ and, for the
purls, https://github.com/package-url/purl-spec.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]

BUILD_TOOLS = ("esbuild", "typescript")
"""Of the tab's pages: they make `app.js`, and are not in it."""


def bom(image: str, created: str, components: Iterable[Component]) -> dict[str, Any]:
    """The whole of it, each component once; `image` is the image's name, `created` when it was made, in RFC 3339."""
    once = {json.dumps(each, sort_keys=True): each for each in components}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"timestamp": created, "component": {"type": "container", "name": image}},
        "components": sorted(
            once.values(), key=lambda each: (each.get("purl", ""), each["name"], each["version"])
        ),
    }


def debian(packages: Iterable[Mapping[str, str]]) -> list[Component]:
    """Debian's packages, with the source package each was built from, by which Debian's advisories go."""
    return [
        _component(
            each["name"],
            each["version"],
            f"pkg:deb/debian/{_quoted(each['name'])}@{_quoted(each['version'])}?arch={each['architecture']}&distro=bookworm",
            properties=[{"name": "debian:source", "value": f"{each['source']} {each['source_version']}"}],
        )
        for each in packages
    ]


def python(
    packages: Iterable[Mapping[str, str]], locked: Mapping[tuple[str, str], list[str]]
) -> list[Component]:
    """Python packages; the hashes are those of the files of which one was installed."""
    components = []
    for each in packages:
        name = normalized(each["name"])
        component = _component(name, each["version"], f"pkg:pypi/{_quoted(name)}@{_quoted(each['version'])}")
        if hashes := locked.get((name, each["version"])):
            component["externalReferences"] = [
                {
                    "type": "distribution",
                    "url": component["purl"],
                    "comment": "one of the files with these hashes was installed",
                    "hashes": [_hash("SHA-256", value) for value in hashes],
                }
            ]
        components.append(component)
    return components


def jars(found: Iterable[Mapping[str, Any]], locked: Mapping[str, tuple[str, str, str]]) -> list[Component]:
    """Jars; within each, those that are packed into it.

    Args:
        locked: Maven coordinates by SHA-256. A jar that is not there goes by what it says itself, and without purl if it says
            nothing, by its hash.
    """
    return [_jar(each, locked.get(each["sha256"])) for each in found]


def npm(lock: Mapping[str, Any]) -> list[Component]:
    """What is bundled into the tab's pages, from its `package-lock.json`."""
    components = []
    for path, package in lock["packages"].items():
        name = path.removeprefix("node_modules/")
        if name and not package.get("optional") and name not in BUILD_TOOLS:
            algorithm, _, digest = package["integrity"].partition("-")
            component = _component(
                name, package["version"], f"pkg:npm/{quote(name, safe='/')}@{_quoted(package['version'])}"
            )
            component["hashes"] = [
                _hash(algorithm.upper().replace("SHA", "SHA-"), base64.b64decode(digest).hex())
            ]
            components.append(component)
    return components


def python_lock(text: str) -> dict[tuple[str, str], list[str]]:
    """SHA-256 of a release's files, by name and version, from a `requirements.txt` with hashes."""
    hashes: dict[tuple[str, str], list[str]] = {}
    for line in text.splitlines():
        if release := re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", line):
            files = hashes.setdefault((normalized(release[1]), release[2]), [])
        elif digest := re.search(r"--hash=sha256:([0-9a-f]{64})", line):
            files.append(digest[1])
    return hashes


def jar_lock(text: str) -> dict[str, tuple[str, str, str]]:
    """Group, artifact and version by SHA-256, from `locks/jars.lock`."""
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {sha256: tuple(coordinates.split(":")) for _, sha256, _, coordinates in rows}


def normalized(name: str) -> str:
    """A Python package's name as indexes have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(text: str) -> dict[str, dict[str, str]]:
    """Versions by name, by the type of their purl: `deb`, `pypi`, `maven`, `npm`; `jar` are those without purl."""
    by_type: dict[str, dict[str, str]] = {"deb": {}, "pypi": {}, "maven": {}, "npm": {}, "jar": {}}

    def add(components: Iterable[Component]) -> None:
        for each in components:
            type_ = each["purl"].partition(":")[2].partition("/")[0] if "purl" in each else "jar"
            name = f"{each['group']}:{each['name']}" if "group" in each else each["name"]
            by_type[type_][name] = each["version"]
            add(each.get("components", ()))

    add(json.loads(text)["components"])
    return by_type


def _jar(found: Mapping[str, Any], coordinates: tuple[str, str, str] | None) -> Component:
    stem = found["file"].removesuffix(".jar")
    holds = [
        (each["groupId"], each["artifactId"], each["version"])
        for each in found["holds"]
        if {"groupId", "artifactId", "version"} <= set(each)
    ]
    own = coordinates or next((each for each in holds if stem == f"{each[1]}-{each[2]}"), None)
    if own:
        component = _maven(*own)
    else:
        name, _, version = (
            re.split(r"(-)(?=\d)", stem, maxsplit=1) if re.search(r"-\d", stem) else (stem, "", "")
        )
        component = _component(name, version)
    component["hashes"] = [_hash("SHA-256", found["sha256"])]
    if packed := sorted({each for each in holds if each != own}):
        component["components"] = [_maven(*each) for each in packed]
    return component


def _maven(group: str, artifact: str, version: str) -> Component:
    return _component(
        artifact, version, f"pkg:maven/{_quoted(group)}/{_quoted(artifact)}@{_quoted(version)}", group=group
    )


def _component(name: str, version: str, purl: str | None = None, **more: Any) -> Component:
    return {"type": "library", "name": name, "version": version, **({"purl": purl} if purl else {}), **more}


def _hash(algorithm: str, hexadecimal: str) -> dict[str, str]:
    return {"alg": algorithm, "content": hexadecimal}


def _quoted(text: str) -> str:
    return quote(text, safe="")
