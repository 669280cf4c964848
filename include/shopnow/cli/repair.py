"""`repair`: restore damaged files of the lake from Kafka or from the layer below."""

import getpass
import os
import subprocess
import sys
from typing import Annotated

import typer

from shopnow.cli.endpoints import endpoints
from shopnow.cli.output import Json, complain, print_json, print_table, reporter, say
from shopnow.errors import UserError
from shopnow.lake.delta import errors
from shopnow.lake.ingest.data_loss import Acknowledgement
from shopnow.lake.maintenance.repair import BEYOND, RESTORED, TO_COMPUTE, Outcome
from shopnow.lake.maintenance.repair import repair as repair_lake
from shopnow.local_stack import jvm, spark
from shopnow.settings import Settings


def repair(
    table: Annotated[str | None, typer.Argument(help="Only this table, such as raw/orders.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what is damaged, and change nothing.")
    ] = False,
    acknowledge_loss: Annotated[
        str | None,
        typer.Option(help="Reason to go on without rows that are beyond repair; recorded for ever."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Restore damaged files of the lake from Kafka or the layer below; exit 1 if any is beyond repair."""
    conf, lake = endpoints()
    acknowledgement = None
    if acknowledge_loss is not None:
        if not acknowledge_loss.strip():
            raise UserError("--acknowledge-loss: say why it is right to go on without these rows")
        acknowledgement = Acknowledgement(acknowledge_loss.strip(), getpass.getuser())
    report = reporter()
    with errors.as_user_errors(lake):
        outcomes = repair_lake(
            conf, lake, table, acknowledgement=acknowledgement, dry_run=dry_run, report=report
        )
    if any(outcome.outcome == TO_COMPUTE for outcome in outcomes):
        report("events, KPIs", "compute with Spark")
        _compute(lake)
        outcomes = [
            outcome._replace(outcome=RESTORED) if outcome.outcome == TO_COMPUTE else outcome
            for outcome in outcomes
        ]
    _print(outcomes, as_json)
    beyond = [outcome for outcome in outcomes if outcome.outcome == BEYOND]
    if beyond:
        complain(f"{beyond[0].table}: {beyond[0].detail}")
        sys.exit(1)


def _compute(lake: str) -> None:
    """Run the Spark application `repair_lake`.

    Raises:
        UserError: it failed; the message is its own.
    """
    settings = Settings.load()
    environment = {**os.environ, **spark.environment(settings, jvm.java_home(settings.data_dir))}
    command = spark.submit_command("repair_lake.py", "--lake", lake)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        message = next(
            (line for line in lines if line.startswith("repair_lake: ")), (lines or ["no output"])[-1]
        )
        raise UserError(f"{message}; where Spark runs elsewhere, run the DAG repair_lake instead")


def _print(outcomes: list[Outcome], as_json: bool) -> None:
    if as_json:
        print_json({"repaired": [outcome._asdict() for outcome in outcomes]})
    elif outcomes:
        print_table("Repair", ("table", "outcome", "detail"), outcomes)
    else:
        say("Every file of the lake is intact.")
