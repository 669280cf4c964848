"""`chaos`: run the fault suite and report its measurements."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from shopnow.cli.mount_namespace import mount_prefix
from shopnow.cli.output import Json, complain, print_json, print_table
from shopnow.settings import ROOT

PAGE = ROOT / "docs" / "chaos.md"
PROTECTIONS_PAGE = ROOT / "docs" / "protections.md"
COLUMNS = ("fault", "kills", "lost", "duplicated", "recovery_seconds")


def chaos(
    short: Annotated[
        bool,
        typer.Option("--short", help="Inject each fault a few times only: minutes instead of half an hour."),
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Replay the run with this seed; random by default.")
    ] = None,
    protections: Annotated[
        bool,
        typer.Option(
            "--protections",
            help="Instead, disable every protection once, and check that a test fails without it.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Kill, freeze and starve the services at work; exit 1 if a record is lost or duplicated."""
    if protections:
        sys.exit(disable_protections(as_json))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = [
            "--chaos",
            "short" if short else "full",
            f"--chaos-report={report}",
            *([f"--chaos-seed={seed}"] if seed is not None else []),
        ]
        pytest = [sys.executable, "-m", "pytest", "tests/faults", "-v", "--no-header", *options]
        # The output of pytest is progress; standard output is reserved for the result.
        passed = (
            subprocess.run([*mount_prefix(), *pytest], cwd=ROOT, stdout=sys.stderr, check=False).returncode
            == 0
        )
        if not report.exists():
            complain("the fault suite did not run: see above")
            sys.exit(1)
        result = json.loads(report.read_text())
    if not short and passed:
        PAGE.write_text(page(result, datetime.now(UTC)))
    if as_json:
        print_json(
            {
                "faults": [{name: row[name] for name in COLUMNS} for row in result["faults"]],
                "seed": result["seed"],
            }
        )
    else:
        print_table(
            f"Faults, seed {result['seed']}",
            [name.replace("_", " ") for name in COLUMNS],
            map(_cells, result["faults"]),
        )
    if not passed or any(row["lost"] or row["duplicated"] for row in result["faults"]):
        complain(f"not every fault was survived: see above; replay with --seed {result['seed']}")
        sys.exit(1)


def disable_protections(as_json: bool) -> int:
    """Run, for each protection, the test that must fail without it; return 1 if one did not fail."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT / "tests")])
        }
        command = [sys.executable, "-m", "protections.run", "--report", str(report)]
        caught = (
            subprocess.run(
                [*mount_prefix(), *command], cwd=ROOT, env=environment, stdout=sys.stderr, check=False
            ).returncode
            == 0
        )
        if not report.exists():
            complain("the protections were not tested: see above")
            return 1
        protections = json.loads(report.read_text())
    if caught:
        PROTECTIONS_PAGE.write_text(protections_page(protections, datetime.now(UTC)))
    if as_json:
        print_json({"protections": protections})
    else:
        columns = ("row", "fault", "without", "caught_by")
        print_table("Protections disabled", columns, ([row[name] for name in columns] for row in protections))
    if not caught:
        complain("a test did not fail without its protection: see above")
    return 0 if caught else 1


def protections_page(protections: list[dict[str, Any]], at: datetime) -> str:
    """Return docs/protections.md: what happened without each protection."""
    rows = "".join(
        f"| {row['fault']} | {row['without']} | `{row['caught_by']}` | {_cell(row['said'])} |\n"
        for row in protections
    )
    return f"""\
# What fails without each protection

A check that cannot fail is worth nothing. So for each kind of fault one protection is patched out of the
running processes, never by a switch in the product, and a test that otherwise passes must fail. Measured
{at:%Y-%m-%d}, written by `./shopnow chaos --protections`.

| fault | behaviour without the protection | test that failed | its message |
|---|---|---|---|
{rows}"""


def _cell(text: str) -> str:
    """Format text as one cell of a Markdown table."""
    short = text if len(text) <= 160 else f"{text[:160]}…"
    return f"`{short.replace('|', chr(92) + '|').replace('`', chr(39))}`"


def page(result: dict[str, Any], at: datetime) -> str:
    """Return docs/chaos.md: the scoreboard of a full run, with only what that run measured."""
    seed = result["seed"]
    rows = "".join(f"| {' | '.join(map(str, _cells(row)))} |\n" for row in result["faults"])
    hung = len(result["hung"])
    points = "".join(
        f"| {row['fault']} | {_where(row['kills_at'])} |\n" for row in result["faults"] if row["kills_at"]
    )
    return f"""\
# Fault suite

Measured {at:%Y-%m-%d} on {os.cpu_count()} cores, services and suite on the same machine, seed {seed}.
Written by `./shopnow chaos`; `./shopnow chaos --seed {seed}` replays the run, and `./shopnow chaos --short`
takes minutes.

Lost and duplicated records are counted against the ledger of the traffic generator (every acknowledged event:
topic id, partition, offset, hash), by code independent of the pipeline. Recovery is the longest time, in
seconds, from a kill or the end of a fault until the affected step had completed in a retry. The final KPI
tables were equal to those of a lake without faults.

| {" | ".join(name.replace("_", " ") for name in COLUMNS)} |
|---|---:|---:|---:|---:|
{rows}
Positions of the kills:

| fault | kills at |
|---|---|
{points}
[protections.md](protections.md) shows that these checks can fail.

{hung} steps hung in the HDFS client until the hard timeout ended them; they were retried, as by Airflow.

Three faults need Airflow or the notification channels and are tested by `./shopnow test`: scheduler and
triggerer killed, old runs cleared (`tests/stack/test_kills.py`, `test_maintenance.py`); mail and Slack down,
refusing, or silent (`tests/services/test_alerts.py`).
"""


def _cells(row: dict[str, Any]) -> list[Any]:
    return ["–" if row[name] is None else row[name] for name in COLUMNS]


def _where(kills_at: dict[str, int]) -> str:
    return ", ".join(f"{where} {count}" for where, count in kills_at.items())
