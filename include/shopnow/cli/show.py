"""`show`: print the newest events of a service, or rows of a table, for people to read."""

from typing import Annotated

import typer

from shopnow import connections
from shopnow.cli.endpoints import endpoints
from shopnow.cli.output import Json, print_json, print_table
from shopnow.cli.show_service import show_service
from shopnow.cli.show_table import show_table
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta import catalog, errors
from shopnow.lake.delta.tables import Table
from shopnow.settings import Settings

_TITLES = {
    **{
        topic: f"newest events on the topic, keyed by {definition.key}"
        for topic, definition in TOPICS.items()
    },
    **{f"raw/{topic}": "every record as received, bytes unchanged" for topic in TOPICS},
    **{f"events/{topic}": "typed, one row per event" for topic in TOPICS},
    **{kpi.name: f"{kpi.title}: {kpi.grain}" for kpi in KPIS},
    "receipts": "offsets and digest of each landed batch",
    "losses": "records that Kafka lost before they were landed",
    "amendments": "deliberate changes of raw and events, with the reason",
    "restatements": "published figures that changed: before, after, cause",
    "audits": "result of every audit",
    "alerts": "state changes of every alert, and the messages sent",
}
"""Titles of the project's topics and tables; other tables of the lake are listed without one."""


def show(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="SERVICE|TABLE",
            help=f"One of {', '.join(TOPICS)}; or a table, such as kpi/sales_daily. Lists all if left out.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=10_000, help="Maximum number of rows.")
    ] = 20,
    following: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new events until Ctrl-C; services only.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the newest events of a service, as they are in Kafka, or the newest rows of a lake table.

    Tables are raw/SERVICE, events/SERVICE, kpi/…, receipts, losses, alerts, …; without
    a name they are listed. Times are UTC.
    """
    if what is None:
        _, lake = endpoints()
        with errors.as_user_errors(lake):
            _list(lake, as_json)
    elif what in TOPICS:
        conf = connections.kafka_conf(connections.load(Settings.load()))
        show_service(conf, what, limit, following, as_json)
    elif following:
        raise UserError(f"--follow needs a service ({', '.join(TOPICS)}); {what} is a table")
    else:
        _, lake = endpoints()
        with errors.as_user_errors(lake):
            show_table(Table(lake, what), limit, as_json)


def _list(lake: str, as_json: bool) -> None:
    existing = catalog.table_names(lake)
    names = [*_TITLES, *(name for name in existing if name not in _TITLES)]
    entries = [
        {"name": name, "title": _TITLES.get(name, ""), "there": name in TOPICS or name in existing}
        for name in names
    ]
    if as_json:
        print_json({"shown": entries})
    else:
        print_table(
            "./shopnow show …",
            ["name", "what", ""],
            [[entry["name"], entry["title"], "" if entry["there"] else "not yet"] for entry in entries],
        )
