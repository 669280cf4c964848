"""The bill of materials is valid CycloneDX and identifies every package."""

import json

from compose import bom, image_inventory
from shopnow.local_stack import jars
from shopnow.settings import ROOT

PYPI = {("typing-extensions", "4.15.0"): ["a" * 64, "b" * 64]}
GUAVA = {"groupId": "com.google.guava", "artifactId": "guava", "version": "33.4.8-jre"}
GPP = {
    "name": "g++",
    "version": "4:12.2+1~",
    "architecture": "amd64",
    "source": "gcc",
    "source_version": "1.2",
}
OWN = {"groupId": "org.example", "artifactId": "thing_2.13", "version": "1.0"}


def jar(file: str, *holds: dict[str, str]) -> dict:
    return {"file": file, "sha256": "c" * 64, "holds": list(holds)}


def test_bom_is_valid_cyclonedx():
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator  # takes seconds, also when nothing is run
    from jsonschema import Draft7Validator
    from rfc3986_validator import validate_rfc3986

    # Every URI is an IRI. The package that jsonschema checks IRIs with would be imported by every process
    # of Airflow, for three seconds.
    Draft7Validator.FORMAT_CHECKER.checks("iri-reference")(
        lambda text: bool(validate_rfc3986(text, rule="URI_reference"))
    )
    lock = bom.parse_python_lock((ROOT / "requirements.txt").read_text())
    package_lock = json.loads((ROOT / "plugins/shopnow_tab_app/ui/package-lock.json").read_text())
    thing = jar("thing_2.13-1.0.jar", OWN, GUAVA)
    components = [
        *bom.debian_components([GPP]),
        *bom.python_components([{"name": name, "version": version} for name, version in [*lock][:10]], lock),
        *bom.jar_components([thing, thing, jar("unknown.jar")], {}),
        *bom.npm_components(package_lock),
    ]
    document = bom.build_bom("shopnow:local", "2026-01-01T00:00:00Z", components)
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(document)) is None
    invalid_url = {"externalReferences": [{"type": "website", "url": "not a URL"}]}
    for invalid in ({"metadata": {"timestamp": "today"}}, invalid_url):
        assert validator.validate_str(json.dumps(document | invalid))


def test_names_and_versions_are_quoted_in_the_purl():
    [component] = bom.debian_components([GPP])
    assert component["purl"] == "pkg:deb/debian/g%2B%2B@4%3A12.2%2B1~?arch=amd64&distro=bookworm"


def test_python_components_have_the_hashes_of_the_lock():
    [locked, unlocked] = bom.python_components(
        [{"name": "Typing_Extensions", "version": "4.15.0"}, {"name": "pip", "version": "1"}], PYPI
    )
    assert locked["purl"] == "pkg:pypi/typing-extensions@4.15.0"
    assert [digest["content"][0] for digest in locked["externalReferences"][0]["hashes"]] == ["a", "b"]
    assert "externalReferences" not in unlocked


def test_every_release_of_a_lock_has_hashes():
    lock = bom.parse_python_lock((ROOT / "requirements.txt").read_text())
    assert ("pyspark", "4.2.0") in lock
    assert all(lock.values())


def test_jar_is_identified_by_lock_then_properties_then_hash():
    lock = bom.parse_jar_lock((ROOT / "locks/jars.lock").read_text())
    assert len(lock) == len({jar.sha256 for jar in jars.locked_jars()})
    [locked] = bom.jar_components([jar("thing_2.13-1.0.jar", OWN)], {"c" * 64: ("org.other", "other", "2")})
    assert locked["purl"] == "pkg:maven/org.other/other@2"
    [described] = bom.jar_components([jar("thing_2.13-1.0.jar", OWN, GUAVA)], {})
    assert described["purl"] == "pkg:maven/org.example/thing_2.13@1.0"
    assert [library["purl"] for library in described["components"]] == [
        "pkg:maven/com.google.guava/guava@33.4.8-jre"
    ]
    [unknown] = bom.jar_components([jar("os-lib_2.13-0.11.5.jar", GUAVA)], {})
    assert (unknown["name"], unknown["version"]) == ("os-lib_2.13", "0.11.5")
    assert "purl" not in unknown
    assert unknown["hashes"] == [{"alg": "SHA-256", "content": "c" * 64}]


def test_npm_components_are_bundled_packages_only():
    components = bom.npm_components(
        json.loads((ROOT / "plugins/shopnow_tab_app/ui/package-lock.json").read_text())
    )
    assert [component["name"] for component in components] == ["@kurkle/color", "chart.js", "preact"]
    assert all(len(component["hashes"][0]["content"]) == 128 for component in components)


def test_shaded_libraries_of_a_pyspark_jar_are_listed(tmp_path):
    [jar_file] = (jars.pyspark_home() / "jars").glob("hadoop-client-runtime-*.jar")
    (tmp_path / jar_file.name).symlink_to(jar_file)
    [runtime] = bom.jar_components(image_inventory.jars(tmp_path), {})
    assert runtime["name"] == "hadoop-client-runtime"
    assert "guava" in {library["name"] for library in runtime["components"]}
