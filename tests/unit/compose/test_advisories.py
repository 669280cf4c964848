"""What was not asked is never clean."""

import json

from compose import advisories

UPGRADE = """\
Reading package lists...
Inst base-files [12.4+deb12u11] (12.4+deb12u15 Debian:12.15/oldstable [amd64])
Inst libgcrypt20 [1.10.1-3] (1.10.1-3+deb12u1 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64]) []
Conf base-files (12.4+deb12u15 Debian:12.15/oldstable [amd64])
"""
SKIPPED = {"name": "thing", "skip_reason": "Dependency not found"}
CLEAN = {"name": "other", "version": "1", "vulns": []}
FLAWED = {
    "name": "bad",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3", "4"]}, {"id": "PYSEC-2", "fix_versions": []}],
}


def audited(*found: dict) -> advisories.Answer:
    return advisories.of_pip_audit(
        len(found), json.dumps({"dependencies": found, "fixes": []}), "No known vulnerabilities found"
    )


def test_updates_of_debian():
    answer = advisories.of_apt(500, UPGRADE)
    assert answer.known == [
        "base-files 12.4+deb12u11: 12.4+deb12u15 is out",
        "libgcrypt20 1.10.1-3: 1.10.1-3+deb12u1 is out, a security update",
    ]
    assert advisories.status([answer]) == 1


def test_what_pip_audit_skipped_was_not_asked():
    answer = audited(SKIPPED, CLEAN)
    assert (answer.known, answer.not_asked) == ([], 1)
    assert advisories.status([answer]) == 2
    assert any("NOT ASKED about 1 packages" in line for line in advisories.lines(answer))


def test_what_pip_audit_found():
    answer = audited(FLAWED, SKIPPED)
    assert answer.known == ["bad 2: PYSEC-1, fixed in 3, 4", "bad 2: PYSEC-2, fixed in no version"]
    assert advisories.status([answer]) == 1


def test_a_pip_audit_that_failed_was_not_asked():
    answer = advisories.of_pip_audit(7, "", "Traceback\nConnectionError: refused\n")
    assert (answer.not_asked, answer.why) == (7, "ConnectionError: refused")


def test_all_asked_and_nothing_known_is_clean():
    assert advisories.status([audited(CLEAN), advisories.of_apt(1, "")]) == 0


def test_nothing_is_said_of_no_packages():
    assert list(advisories.lines(advisories.not_asked("jars", 0, "why"))) == []
