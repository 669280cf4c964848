"""The bill of materials is CycloneDX, and names what is in it."""

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from compose import bom, contents
from shopnow.local_stack import jars
from shopnow.settings import ROOT

PYPI = {("typing-extensions", "4.15.0"): ["a" * 64, "b" * 64]}
GUAVA = {"groupId": "com.google.guava", "artifactId": "guava", "version": "33.4.8-jre"}
OWN = {"groupId": "org.example", "artifactId": "thing_2.13", "version": "1.0"}


def jar(file: str, *holds: dict[str, str]) -> dict:
    return {"file": file, "sha256": "c" * 64, "holds": list(holds)}


def test_it_is_valid_cyclonedx():
    lock = bom.python_lock((ROOT / "requirements.txt").read_text())
    made = bom.bom(
        "shopnow:local",
        "2026-01-01T00:00:00Z",
        [
            *bom.debian(
                [
                    {
                        "name": "g++",
                        "version": "4:12.2.0-3",
                        "architecture": "amd64",
                        "source": "gcc",
                        "source_version": "1.2",
                    }
                ]
            ),
            *bom.python([{"name": name, "version": version} for name, version in [*lock][:10]], lock),
            *bom.jars(
                [
                    jar("thing_2.13-1.0.jar", OWN, GUAVA),
                    jar("thing_2.13-1.0.jar", OWN, GUAVA),
                    jar("unknown.jar"),
                ],
                {},
            ),
            *bom.npm(json.loads((ROOT / "plugins/shopnow_tab_app/ui/package-lock.json").read_text())),
        ],
    )
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(made)) is None


def test_debians_versions_are_quoted():
    [made] = bom.debian(
        [
            {
                "name": "g++",
                "version": "4:12.2+1~",
                "architecture": "amd64",
                "source": "gcc",
                "source_version": "1",
            }
        ]
    )
    assert made["purl"] == "pkg:deb/debian/g%2B%2B@4%3A12.2%2B1~?arch=amd64&distro=bookworm"


def test_python_packages_have_the_hashes_of_the_lock():
    [made, other] = bom.python(
        [{"name": "Typing_Extensions", "version": "4.15.0"}, {"name": "pip", "version": "1"}], PYPI
    )
    assert made["purl"] == "pkg:pypi/typing-extensions@4.15.0"
    assert [each["content"][0] for each in made["externalReferences"][0]["hashes"]] == ["a", "b"]
    assert "externalReferences" not in other


def test_every_release_of_a_lock_has_hashes():
    lock = bom.python_lock((ROOT / "requirements.txt").read_text())
    assert ("pyspark", "4.2.0") in lock
    assert all(lock.values())


def test_a_jar_goes_by_the_lock_then_by_what_it_says_then_by_its_hash():
    lock = bom.jar_lock((ROOT / "locks/jars.lock").read_text())
    assert len(lock) == len({each.sha256 for each in jars.locked()})
    [locked] = bom.jars([jar("thing_2.13-1.0.jar", OWN)], {"c" * 64: ("org.other", "other", "2")})
    assert locked["purl"] == "pkg:maven/org.other/other@2"
    [said] = bom.jars([jar("thing_2.13-1.0.jar", OWN, GUAVA)], {})
    assert said["purl"] == "pkg:maven/org.example/thing_2.13@1.0"
    assert [each["purl"] for each in said["components"]] == ["pkg:maven/com.google.guava/guava@33.4.8-jre"]
    [unknown] = bom.jars([jar("os-lib_2.13-0.11.5.jar", GUAVA)], {})
    assert (unknown["name"], unknown["version"]) == ("os-lib_2.13", "0.11.5")
    assert "purl" not in unknown
    assert unknown["hashes"] == [{"alg": "SHA-256", "content": "c" * 64}]


def test_pages_hold_what_is_bundled_and_not_what_builds_them():
    made = bom.npm(json.loads((ROOT / "plugins/shopnow_tab_app/ui/package-lock.json").read_text()))
    assert [each["name"] for each in made] == ["@kurkle/color", "chart.js", "preact"]
    assert all(len(each["hashes"][0]["content"]) == 128 for each in made)


def test_the_jars_of_pyspark_say_what_is_packed_into_them():
    made = bom.jars(contents.jars(jars.pyspark_home() / "jars"), {})
    [runtime] = [each for each in made if each["name"] == "hadoop-client-runtime"]
    assert "guava" in {each["name"] for each in runtime["components"]}
