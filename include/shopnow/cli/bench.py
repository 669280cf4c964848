"""`bench`: repeat the documented measurements on the running stack."""

import subprocess
import sys
from typing import Annotated

import typer

from shopnow.cli.output import Json
from shopnow.settings import ROOT

app = typer.Typer(help="Repeat the documented measurements on the running stack.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Keep `alerts` a subcommand although it is the only one."""


@app.command()
def alerts(
    trials: Annotated[int, typer.Option(min=1, max=1000, help="Number of products to sell out.")] = 50,
    as_json: Json = False,
) -> None:
    """Measure the latency from a stock-out to its messages, by stage; exit 1 if the p95 is over 10 s."""
    script = [
        sys.executable,
        str(ROOT / "benchmarks" / "alert_latency.py"),
        f"--trials={trials}",
        *(["--json"] if as_json else []),
    ]
    sys.exit(subprocess.run(script, check=False).returncode)
