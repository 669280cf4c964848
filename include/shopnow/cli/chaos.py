"""`chaos`: the fault suite, and what it measured."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from shopnow.cli.output import Json, complain, print_json, print_table
from shopnow.settings import ROOT

PAGE = ROOT / "docs" / "chaos.md"
PROTECTIONS_PAGE = ROOT / "docs" / "protections.md"
COLUMNS = ("fault", "kills", "lost", "duplicated", "recovery_seconds")


def chaos(
    short: Annotated[
        bool, typer.Option("--short", help="Each fault a few times: minutes instead of half an hour.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Replay the run with this seed; a new one by default.")
    ] = None,
    protections: Annotated[
        bool,
        typer.Option(
            "--protections",
            help="Instead, take every protection out once, and see that a test fails without it.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Kill, freeze and starve Kafka, HDFS, Spark and landing while they work; exits 1 if anything was lost or counted twice."""
    if protections:
        sys.exit(take_protections_out(as_json))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        chosen = [
            "--chaos",
            "short" if short else "full",
            f"--chaos-report={report}",
            *([f"--chaos-seed={seed}"] if seed is not None else []),
        ]
        pytest = [sys.executable, "-m", "pytest", "tests/faults", "-v", "--no-header", *chosen]
        # What pytest says is progress; standard output is for the result.
        passed = (
            subprocess.run([*_mounting(), *pytest], cwd=ROOT, stdout=sys.stderr, check=False).returncode == 0
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


def take_protections_out(as_json: bool) -> int:
    """Runs for each protection the test that has to fail without it; 1 if one did not."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT / "tests")])
        }
        command = [sys.executable, "-m", "protections.run", "--report", str(report)]
        caught = (
            subprocess.run(
                [*_mounting(), *command], cwd=ROOT, env=environment, stdout=sys.stderr, check=False
            ).returncode
            == 0
        )
        if not report.exists():
            complain("the protections were not examined: see above")
            return 1
        found = json.loads(report.read_text())
    if caught:
        PROTECTIONS_PAGE.write_text(protections_page(found, datetime.now(UTC)))
    if as_json:
        print_json({"protections": found})
    else:
        columns = ("row", "fault", "without", "caught_by")
        print_table("Protections taken out", columns, ([row[name] for name in columns] for row in found))
    if not caught:
        complain("a test passed, or ended otherwise, without the protection it is about: see above")
    return 0 if caught else 1


def protections_page(found: list[dict[str, Any]], at: datetime) -> str:
    """docs/protections.md: what happened without each protection."""
    rows = "".join(
        f"| {row['fault']} | {row['without']} | `{row['caught_by']}` | {_cell(row['said'])} |\n"
        for row in found
    )
    return f"""\
# What fails without each protection

A check that cannot fail is worth nothing. So for each kind of fault a protection is taken out of the running processes, never by a
switch in the product, and a test that passes otherwise has to fail. Measured {at:%Y-%m-%d}, written by `./shopnow chaos --protections`.

| fault | instead | test that failed | what it said |
|---|---|---|---|
{rows}"""


def _cell(text: str) -> str:
    """As one cell of a table."""
    short = text if len(text) <= 160 else f"{text[:160]}…"
    return f"`{short.replace('|', chr(92) + '|').replace('`', chr(39))}`"


def page(result: dict[str, Any], at: datetime) -> str:
    """docs/chaos.md: the scoreboard of a full run, and nothing that was not measured in it."""
    seed = result["seed"]
    rows = "".join(f"| {' | '.join(map(str, _cells(row)))} |\n" for row in result["faults"])
    hung = len(result["hung"])
    points = "".join(
        f"| {row['fault']} | {_where(row['kills_at'])} |\n" for row in result["faults"] if row["kills_at"]
    )
    return f"""\
# What it survives

Measured {at:%Y-%m-%d} on {os.cpu_count()} cores, services and suite on the same machine, seed {seed}. Written by
`./shopnow chaos`; `./shopnow chaos --seed {seed}` makes the same choices again, and `./shopnow chaos --short` takes minutes.

Lost and duplicated are counted against the ledger of the traffic generator (every acknowledged event: topic id, partition,
offset, hash), by code apart from the pipeline's. Recovery is the longest time, in seconds, from a kill or from the end of a
fault until the step that it hit, run again, had done everything. The KPI tables in the end were those of a lake that met no fault.

| {" | ".join(name.replace("_", " ") for name in COLUMNS)} |
|---|---:|---:|---:|---:|
{rows}
Where the kills hit:

| fault | kills at |
|---|---|
{points}
That these checks can fail is shown in [protections.md](protections.md).

{hung} steps waited in the HDFS client for an answer that did not come, until the watchdog ended them; they were tried
again, as by Airflow.

Three faults need Airflow or the alerts' channels and are tested with these, by `./shopnow test`: scheduler and triggerer killed,
old runs cleared (`tests/e2e/test_faults.py`); mail and Slack down, refusing, or silent (`tests/integration/test_alerts.py`).
"""


def _cells(row: dict[str, Any]) -> list[Any]:
    if row["skipped"]:
        return [f"{row['fault']} (not run: {row['skipped']})", *[""] * (len(COLUMNS) - 1)]
    return ["–" if row[name] is None else row[name] for name in COLUMNS]


def _where(kills_at: dict[str, int]) -> str:
    return ", ".join(f"{where} {count}" for where, count in kills_at.items())


def _mounting() -> list[str]:
    """What goes before a command that has to mount disks, where that is allowed to everyone in a namespace of his own."""
    own = ["unshare", "--user", "--map-root-user", "--mount"]
    if (
        os.geteuid() == 0
        or shutil.which(own[0]) is None
        or subprocess.run([*own, "true"], capture_output=True, check=False).returncode
    ):
        return []
    return own
