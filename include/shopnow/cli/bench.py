"""`bench`: what was measured, measured again."""

import subprocess
import sys
from typing import Annotated

import typer

from shopnow.cli.output import Json
from shopnow.settings import ROOT

app = typer.Typer(help="Measure on the running stack what the README claims.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Keeps `alerts` a command of its own, though it is the only one."""


@app.command()
def alerts(
    trials: Annotated[int, typer.Option(min=1, max=1000, help="Products to sell out.")] = 50,
    as_json: Json = False,
) -> None:
    """Measure the time from a stock-out to its mail and Slack message, with its stages; exits 1 if it is over 10 s at p95."""
    script = [
        sys.executable,
        str(ROOT / "benchmarks" / "alert_latency.py"),
        f"--trials={trials}",
        *(["--json"] if as_json else []),
    ]
    sys.exit(subprocess.run(script, check=False).returncode)
