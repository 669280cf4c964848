"""`bench`: repeat the documented measurements on the running stack."""

import subprocess
import sys
from typing import Annotated, NoReturn

import typer

from shopnow.cli.output import Json
from shopnow.settings import ROOT

app = typer.Typer(help="Repeat the documented measurements on the running stack.", no_args_is_help=True)


@app.command()
def alerts(
    trials: Annotated[int, typer.Option(min=1, max=1000, help="Number of products to sell out.")] = 50,
    as_json: Json = False,
) -> None:
    """Measure the latency from a stock-out to its messages, by stage; exit 1 if the p95 is over 10 s."""
    _run("alert_latency.py", f"--trials={trials}", as_json=as_json)


@app.command()
def freshness(
    rate: Annotated[int, typer.Option(min=1, max=100_000, help="Events per second.")] = 500,
    seconds: Annotated[int, typer.Option(min=1, max=3600, help="Duration of the traffic.")] = 180,
    as_json: Json = False,
) -> None:
    """Measure the latency from a producer's event to its KPI rows, by stage; exit 1 if the p95 is over 25 s.

    Sends payments that stay in the shop, and triggers no DAG.
    """
    _run("freshness.py", f"--rate={rate}", f"--seconds={seconds}", as_json=as_json)


@app.command()
def seen(
    trials: Annotated[int, typer.Option(min=2, max=1000, help="Number of orders to send.")] = 40,
    as_json: Json = False,
) -> None:
    """Measure when an order is on an open page, in a real browser; exit 1 if the p95 is over 0.3 s.

    Sends orders that stay in the shop, and triggers no DAG.
    """
    _run("seen.py", f"--trials={trials}", as_json=as_json)


def _run(benchmark: str, *options: str, as_json: bool) -> NoReturn:
    script = [
        sys.executable,
        str(ROOT / "benchmarks" / benchmark),
        *options,
        *(["--json"] if as_json else []),
    ]
    sys.exit(subprocess.run(script, check=False).returncode)
