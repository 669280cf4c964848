"""Takes each protection out and runs the test that has to fail then.

    python -m protections.run --report FILE [--only MUTATION]

A test that ends otherwise than by an assertion, or passes, has not caught it. Exits 1 if one was not.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from protections.mutations import MUTATIONS
from protections.registry import PROTECTIONS, Protection
from shopnow.settings import ROOT

TIMEOUT_SECONDS = 600
_CAUGHT = re.compile(r"^caught: (?P<test>\S+): (?P<said>.*)$", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--report", type=Path, required=True, help="write what was found to this file, as JSON"
    )
    parser.add_argument("--only", choices=sorted(MUTATIONS), help="only this one")
    arguments = parser.parse_args()
    chosen = [each for each in PROTECTIONS if arguments.only in {None, each.mutation}]
    found = []
    for number, protection in enumerate(chosen, 1):
        row = examine(protection)
        found.append(row)
        verdict = row["caught_by"] or f"NOT CAUGHT: {row['said']}"
        print(
            f"[{number}/{len(chosen)}] {protection.row:>2} {protection.fault} without {protection.mutation}: {verdict}",
            flush=True,
        )
    arguments.report.write_text(json.dumps(found))
    return 0 if all(row["caught_by"] for row in found) else 1


def examine(protection: Protection) -> dict[str, str | int]:
    """Runs its test without the protection: which test failed, and by which assertion."""
    command = [sys.executable, "-m", "pytest", "-p", "protections.plugin", "--without", protection.mutation]
    command += ["-x", "-q", "-s", "--no-header", *protection.options, protection.test]
    try:
        ended = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
        output = ended.stdout + ended.stderr
    except subprocess.TimeoutExpired:
        output = f"did not end in {TIMEOUT_SECONDS} s"
    caught = _CAUGHT.search(output)
    lines = [line for line in output.splitlines() if line.strip()]
    return {
        "row": protection.row,
        "fault": protection.fault,
        "without": (MUTATIONS[protection.mutation].__doc__ or "").strip(),
        "test": protection.test,
        "caught_by": caught["test"] if caught else "",
        "said": caught["said"] if caught else (lines or ["no output"])[-1],
    }


if __name__ == "__main__":
    sys.exit(main())
