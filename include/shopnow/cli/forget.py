"""`forget`: erase a customer's personal data."""

import getpass
import sys
from typing import Annotated

import typer

from shopnow.broker import topics
from shopnow.cli.endpoints import endpoints
from shopnow.cli.output import Json, print_json, print_table, say
from shopnow.events import TOPICS
from shopnow.lake.delta import errors
from shopnow.lake.governance import erasure
from shopnow.lake.ingest import lag


def forget(
    customer: Annotated[str, typer.Argument(help="Customer id, as in the events.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be erased, and erase nothing.")
    ] = False,
    why: Annotated[
        str, typer.Option(help="Reason, recorded for ever; do not name the customer.")
    ] = "the customer asked for it",
    as_json: Json = False,
) -> None:
    """Erase a customer's personal data from every table; KPIs do not change, and `verify` still holds."""
    conf, lake = endpoints()
    by = getpass.getuser()
    with errors.as_user_errors(lake):
        lag.check_landed(conf, lake)
        if dry_run or not yes:
            _print(
                erasure.erase_customer(lake, customer, why=why, by=by, dry_run=True),
                as_json and dry_run,
                "Would be erased",
            )
            if dry_run:
                return
            if not typer.confirm("Erase this? It cannot be undone"):
                sys.exit(1)
        done = erasure.erase_customer(lake, customer, why=why, by=by)
        _print(done, as_json, "Erased")
        if done and not as_json:
            for line in erasure.describe_remaining_copies(done, topics.read_retention(conf, TOPICS)):
                say(line)


def _print(done: list[erasure.Erasure], as_json: bool, title: str) -> None:
    if as_json:
        print_json({"erased": [{"table": erasure.table, "rows": erasure.rows} for erasure in done]})
    elif done:
        print_table(title, ("table", "rows"), [(erasure.table, erasure.rows) for erasure in done])
    else:
        say("The lake has no data of this customer.")
