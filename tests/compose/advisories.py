"""What is known against packages, out of the answers of those who were asked; what was not asked is never taken for clean.

Functions of data only; `scan`, beside this, asks.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

NOBODY_TO_ASK = (
    ("jars", "maven", "Maven Central keeps no advisories"),
    ("jars without coordinates", "jar", "known by hash only"),
    ("npm packages", "npm", "run npm audit in plugins/shopnow_tab_app/ui where its registry answers that"),
)
"""Packages, the type of their purl, and why."""


class Answer(NamedTuple):
    what: str
    packages: int
    known: list[str]
    """What is known against them, a line each."""
    not_asked: int
    """Of how many packages nothing was learnt."""
    why: str = ""
    """Nothing was learnt."""


def not_asked(what: str, packages: int, why: str) -> Answer:
    return Answer(what, packages, [], packages, why)


def of_apt(packages: int, simulated: str) -> Answer:
    """What `apt-get --simulate upgrade` would install over what is there: `Inst NAME [OLD] (NEW ORIGIN [ARCH])`.

    An advisory that has no update yet is not to be learnt this way.
    """
    update = re.compile(r"^Inst (\S+) \[([^\]]+)\] \((\S+) ([^\[)]*)", re.MULTILINE)
    known = [
        f"{name} {old}: {new} is out{', a security update' if 'security' in origin.lower() else ''}"
        for name, old, new, origin in update.findall(simulated)
    ]
    return Answer("Debian", packages, known, 0)


def of_pip_audit(packages: int, answer: str, complaints: str) -> Answer:
    """What `pip-audit --format json` prints. It says *no known vulnerabilities* of packages the index had no answer about, too."""
    if not answer.strip():
        return not_asked(
            "Python", packages, (complaints.strip().splitlines() or ["pip-audit says nothing"])[-1]
        )
    found = json.loads(answer)["dependencies"]
    known = [
        f"{each['name']} {each['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'no version'}"
        for each in found
        for flaw in each.get("vulns", ())
    ]
    answered = sum("skip_reason" not in each for each in found)
    return Answer(
        "Python",
        packages,
        known,
        packages - answered,
        "" if answered == packages else "the index has no answer to pip-audit",
    )


def lines(answer: Answer) -> Iterator[str]:
    """What there is to say, to a person."""
    asked = answer.packages - answer.not_asked
    if asked:
        yield f"{answer.what}: {len(answer.known)} known against {asked} packages"
        yield from (f"  {each}" for each in answer.known)
    if answer.not_asked:
        yield f"{answer.what}: NOT ASKED about {answer.not_asked} packages: {answer.why}"


def status(answers: Iterable[Answer]) -> int:
    """The exit status: 1 if anything is known, 2 if something was not asked, 0 if all was and nothing is."""
    answers = list(answers)
    if any(answer.known for answer in answers):
        return 1
    return 2 if any(answer.not_asked for answer in answers) else 0
