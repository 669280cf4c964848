"""Packages that a scanner did not check never count as clean."""

import json

from compose import advisories

UPGRADE = (
    "Reading package lists...\n"
    "Inst base-files [12.4+deb12u11] (12.4+deb12u15 Debian:12.15/oldstable [amd64])\n"
    "Inst libgcrypt20 [1.10.1-3] (1.10.1-3+deb12u1 Debian:12.15/oldstable, "
    "Debian-Security:12/oldstable-security [amd64]) []\n"
    "Conf base-files (12.4+deb12u15 Debian:12.15/oldstable [amd64])\n"
)
SKIPPED = {"name": "thing", "skip_reason": "Dependency not found"}
CLEAN = {"name": "other", "version": "1", "vulns": []}
VULNERABLE = {
    "name": "bad",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3", "4"]}, {"id": "PYSEC-2", "fix_versions": []}],
}


def pip_audit_result(*dependencies: dict) -> advisories.ScanResult:
    output = json.dumps({"dependencies": dependencies, "fixes": []})
    return advisories.parse_pip_audit(len(dependencies), output, "No known vulnerabilities found")


def test_debian_updates_are_findings():
    result = advisories.parse_apt_upgrade(500, UPGRADE)
    assert result.findings == [
        "base-files 12.4+deb12u11: 12.4+deb12u15 is available",
        "libgcrypt20 1.10.1-3: 1.10.1-3+deb12u1 is available, a security update",
    ]
    assert advisories.exit_status([result]) == 1


def test_packages_skipped_by_pip_audit_are_unchecked():
    result = pip_audit_result(SKIPPED, CLEAN)
    assert (result.findings, result.unchecked) == ([], 1)
    assert advisories.exit_status([result]) == 2
    assert any("NOT CHECKED: 1 packages" in line for line in advisories.format_lines(result))


def test_advisories_of_pip_audit_are_findings():
    result = pip_audit_result(VULNERABLE, SKIPPED)
    assert result.findings == ["bad 2: PYSEC-1, fixed in 3, 4", "bad 2: PYSEC-2, fixed in no version"]
    assert advisories.exit_status([result]) == 1


def test_packages_of_a_failed_pip_audit_are_unchecked():
    result = advisories.parse_pip_audit(7, "", "Traceback\nConnectionError: refused\n")
    assert (result.unchecked, result.reason) == (7, "ConnectionError: refused")


def test_all_checked_without_findings_is_clean():
    assert advisories.exit_status([pip_audit_result(CLEAN), advisories.parse_apt_upgrade(1, "")]) == 0


def test_ecosystem_without_packages_is_not_reported():
    assert list(advisories.format_lines(advisories.unchecked("jars", 0, "reason"))) == []
