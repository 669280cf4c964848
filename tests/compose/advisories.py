"""Parse the results of vulnerability scanners; packages that a scanner did not check never count as clean.

Pure functions; the script `scan` runs the scanners.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

UNCHECKED_ECOSYSTEMS = (
    ("jars", "maven", "Maven Central publishes no advisories"),
    ("jars without coordinates", "jar", "known by hash only"),
    ("npm packages", "npm", "run npm audit in plugins/shopnow_tab_app/ui where the registry supports it"),
)
"""Kinds of packages without a scanner: name, purl type, reason."""


class ScanResult(NamedTuple):
    ecosystem: str
    packages: int
    findings: list[str]
    """One line per advisory or update."""
    unchecked: int
    """Number of packages that were not checked."""
    reason: str = ""
    """Why packages were not checked."""


def unchecked(ecosystem: str, packages: int, reason: str) -> ScanResult:
    return ScanResult(ecosystem, packages, [], packages, reason)


def parse_apt_upgrade(packages: int, output: str) -> ScanResult:
    """Parse `apt-get --simulate upgrade`: `Inst NAME [OLD] (NEW ORIGIN [ARCH])`.

    It lists available updates, so an advisory without an update is not found.
    """
    update = re.compile(r"^Inst (\S+) \[([^\]]+)\] \((\S+) ([^\[)]*)", re.MULTILINE)
    findings = [
        f"{name} {old}: {new} is available{', a security update' if 'security' in origin.lower() else ''}"
        for name, old, new, origin in update.findall(output)
    ]
    return ScanResult("Debian", packages, findings, 0)


def parse_pip_audit(packages: int, output: str, errors: str) -> ScanResult:
    """Parse `pip-audit --format json`.

    pip-audit reports "no known vulnerabilities" also for packages that the index did not answer for; those
    count as unchecked.
    """
    if not output.strip():
        reason = (errors.strip().splitlines() or ["pip-audit printed nothing"])[-1]
        return unchecked("Python", packages, reason)
    dependencies = json.loads(output)["dependencies"]
    findings = [
        f"{package['name']} {package['version']}: {advisory['id']}, "
        f"fixed in {', '.join(advisory['fix_versions']) or 'no version'}"
        for package in dependencies
        for advisory in package.get("vulns", ())
    ]
    skipped = packages - sum("skip_reason" not in package for package in dependencies)
    reason = "the index does not answer pip-audit" if skipped else ""
    return ScanResult("Python", packages, findings, skipped, reason)


def format_lines(result: ScanResult) -> Iterator[str]:
    """Yield the lines of the report."""
    if checked := result.packages - result.unchecked:
        yield f"{result.ecosystem}: {len(result.findings)} findings in {checked} packages"
        yield from (f"  {finding}" for finding in result.findings)
    if result.unchecked:
        yield f"{result.ecosystem}: NOT CHECKED: {result.unchecked} packages: {result.reason}"


def exit_status(results: Iterable[ScanResult]) -> int:
    """Return 1 if there is any finding, else 2 if a package was not checked, else 0."""
    results = list(results)
    if any(result.findings for result in results):
        return 1
    return 2 if any(result.unchecked for result in results) else 0
