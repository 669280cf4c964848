"""Disable each protection in turn and run the test that must fail without it.

    python -m protections.run --report FILE [--only MUTATION]

Only a failed assertion counts: a test that passes, or ends in any other way, has not caught the mutation.
Exits 1 if a mutation is not caught.
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
_CAUGHT = re.compile(r"^caught: (.*)$", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, required=True, help="write the results to this file, as JSON")
    parser.add_argument("--only", choices=sorted(MUTATIONS), help="run only this mutation")
    arguments = parser.parse_args()
    selected = [protection for protection in PROTECTIONS if arguments.only in {None, protection.mutation}]
    rows = []
    for number, protection in enumerate(selected, 1):
        row = run_without(protection)
        rows.append(row)
        verdict = row["caught_by"] or f"NOT CAUGHT: {row['said']}"
        step = f"[{number}/{len(selected)}] {protection.row:>2} {protection.fault}"
        print(f"{step} without {protection.mutation}: {verdict}", flush=True)
    arguments.report.write_text(json.dumps(rows))
    return 0 if all(row["caught_by"] for row in rows) else 1


def run_without(protection: Protection) -> dict[str, str | int]:
    """Run the test of a protection with the protection disabled.

    Returns:
        The test that failed (`caught_by`, empty if none) and its assertion (`said`).
    """
    command = [sys.executable, "-m", "pytest", "-p", "protections.plugin", "--without", protection.mutation]
    command += ["-x", "-q", "-s", "--no-header", *protection.options, protection.test]
    try:
        process = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
        output = process.stdout + process.stderr
    except subprocess.TimeoutExpired:
        output = f"timed out after {TIMEOUT_SECONDS} s"
    caught = _CAUGHT.search(output)
    test, message = json.loads(caught[1]) if caught else ("", "")
    lines = [line for line in output.splitlines() if line.strip()]
    return {
        "row": protection.row,
        "fault": protection.fault,
        "without": (MUTATIONS[protection.mutation].__doc__ or "").strip(),
        "test": protection.test,
        "caught_by": test,
        "said": message or (lines or ["no output"])[-1],
    }


if __name__ == "__main__":
    sys.exit(main())
