"""`forget`: erases a customer's personal data."""

import getpass
import sys
from typing import Annotated

import typer

from shopnow.broker import topics
from shopnow.cli.endpoints import addresses
from shopnow.cli.output import Json, print_json, print_table, say
from shopnow.events import TOPICS
from shopnow.lake.delta import errors
from shopnow.lake.governance import erasure
from shopnow.lake.ingest import lag


def forget(
    customer: Annotated[str, typer.Argument(help="The customer's id, as in the events.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be erased.")] = False,
    why: Annotated[
        str, typer.Option(help="Kept with the change for ever; do not name the customer.")
    ] = "the customer asked for it",
    as_json: Json = False,
) -> None:
    """Erase a customer's personal data from every table; figures stay as they are, and so does the proof."""
    conf, lake = addresses()
    by = getpass.getuser()
    with errors.as_user_errors(lake):
        lag.check_landed(conf, lake)
        if dry_run or not yes:
            _print(
                erasure.forget(lake, customer, why=why, by=by, dry_run=True),
                as_json and dry_run,
                "Would be erased",
            )
            if dry_run:
                return
            if not typer.confirm("Erase this? It cannot be undone"):
                sys.exit(1)
        done = erasure.forget(lake, customer, why=why, by=by)
        _print(done, as_json, "Erased")
        if done and not as_json:
            for line in erasure.what_remains(done, topics.read_retention(conf, TOPICS)):
                say(line)


def _print(done: list[erasure.Erasure], as_json: bool, title: str) -> None:
    if as_json:
        print_json({"erased": [{"table": each.table, "rows": each.rows} for each in done]})
    elif done:
        print_table(title, ("table", "rows"), [(each.table, each.rows) for each in done])
    else:
        say("There is nothing of this customer in the lake.")
