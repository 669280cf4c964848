"""`show`: print the newest events of a service, or rows of a table, for people to read."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import pyarrow as pa
import typer

from shopnow import connections
from shopnow.broker.client import Conf
from shopnow.broker.tail import Record, follow, read_tail
from shopnow.cli import formatters
from shopnow.cli.endpoints import endpoints
from shopnow.cli.output import Json, fits_terminal, print_json, print_table, say
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.kpis import KPIS, Kpi, values
from shopnow.lake.delta import catalog, errors
from shopnow.lake.delta.preview import newest_rows
from shopnow.lake.delta.tables import Table
from shopnow.settings import Settings
from shopnow.text_format import printable

_KPIS = {kpi.name: kpi for kpi in KPIS}
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
        _show_service(conf, what, limit, following, as_json)
    elif following:
        raise UserError(f"--follow needs a service ({', '.join(TOPICS)}); {what} is a table")
    else:
        _, lake = endpoints()
        with errors.as_user_errors(lake):
            _show_table(Table(lake, what), limit, as_json)


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


def _show_service(conf: Conf, service: str, limit: int, following: bool, as_json: bool) -> None:

    def order(record: Record) -> tuple[int, datetime, int]:
        """Sort by arrival; within one second, for example a batch of the generator, by event time."""
        event, _ = formatters.decode(service, record.value)
        return record.timestamp // 1000, event.get("event_time", _time(record)), record.offset

    records, ends = read_tail(conf, service, limit, order)
    if not following:
        if as_json:
            print_json({"service": service, "events": [_as_json(service, record) for record in records]})
        else:
            print_table(
                service, formatters.headings(service), [_cells(service, record) for record in records]
            )
        return
    rows = [_cells(service, record) for record in records]
    columns = formatters.headings(service)
    widths = [max(12, *map(len, (column, *cells))) for column, *cells in zip(columns, *rows, strict=True)]
    if not as_json:
        say("  ".join(column.ljust(width) for column, width in zip(columns, widths, strict=True)))
    with suppress(KeyboardInterrupt):
        _print_lines(service, records, widths, as_json)
        for more in follow(conf, service, ends, order):
            _print_lines(service, more, widths, as_json)


def _print_lines(service: str, records: Iterable[Record], widths: Sequence[int], as_json: bool) -> None:
    for record in records:
        if as_json:
            print(json.dumps(_as_json(service, record), default=str), flush=True)
        else:
            cells = map(printable, _cells(service, record))
            print(
                "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip(),
                flush=True,
            )


def _cells(service: str, record: Record) -> list[str]:
    event, problem = formatters.decode(service, record.value)
    place = f"{record.partition}/{record.offset}"
    return (
        formatters.problem_cells(service, _time(record), problem, place)
        if problem
        else formatters.event_cells(service, event, place)
    )


def _as_json(service: str, record: Record) -> dict[str, Any]:
    _, problem = formatters.decode(service, record.value)
    value = record.value or b""
    return {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": _time(record).isoformat(timespec="milliseconds"),
        "event": value.decode(errors="backslashreplace") if problem else json.loads(value),
        "problem": problem,
    }


def _time(record: Record) -> datetime:
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)


def _show_table(table: Table, limit: int, as_json: bool) -> None:
    name, existing = table.name, catalog.table_names(table.lake)
    if name not in existing:
        tables = ", ".join(existing)
        hint = f"the tables are {tables}" if existing else "the lake has no tables yet, see ./shopnow demo"
        raise UserError(f"{name!r} is neither a service ({', '.join(TOPICS)}) nor a table; {hint}")
    rows = newest_rows(table.open(), limit)
    if as_json:
        print_json({"table": name, "rows": _plain(rows.to_pylist())})
        return
    layer, _, service = name.partition("/")
    if layer == "events":
        cells = [
            formatters.event_cells(service, row, f"{row['source_partition']}/{row['source_offset']}")
            for row in rows.to_pylist()
        ]
        print_table(name, formatters.headings(service), cells)
    elif layer == "raw":
        print_table(
            name, formatters.headings(service), [_raw_cells(service, row) for row in rows.to_pylist()]
        )
    elif name in _KPIS:
        _print_kpi(_KPIS[name], rows)
    else:
        _print_rows(name, rows)


def _raw_cells(service: str, row: dict[str, Any]) -> list[str]:
    # Its `problem` was found by landing or a replay; validating it again now might give another result.
    value = row["value"] if row["correction"] is None else row["correction"]
    record = Record(round(row["timestamp"].timestamp() * 1000), row["partition"], row["offset"], value)
    place = f"{record.partition}/{record.offset}"
    return (
        formatters.problem_cells(service, _time(record), row["problem"], place)
        if row["problem"]
        else _cells(service, record)
    )


def _print_kpi(kpi: Kpi, rows: pa.Table) -> None:
    """Print the columns that fit, the most important first, and name those that do not fit."""
    columns = [column for column in formatters.by_importance(kpi.value_columns) if column in rows.column_names]
    columns = [column for column in columns if rows[column].null_count < rows.num_rows or column in kpi.key_columns]
    cells = [
        [
            values.format_value(row[column], values.unit_of(kpi.schema.field(column), row), none="–")
            for column in columns
        ]
        for row in rows.to_pylist()
    ]
    titles = [values.heading(column, columns) for column in columns]
    for place, column in enumerate(columns):
        if kpi.schema.field(column).type in {pa.int32(), pa.int64(), pa.float64()}:
            width = max(len(row[place]) for row in [titles, *cells])
            for row in [titles, *cells]:
                row[place] = row[place].rjust(width)
    shown = next(
        (
            count
            for count in range(len(columns), 1, -1)
            if fits_terminal(titles[:count], [row[:count] for row in cells])
        ),
        1,
    )
    print_table(f"{kpi.name}: {kpi.title}", titles[:shown], [row[:shown] for row in cells])
    if shown < len(columns):
        say(f"columns that do not fit: {', '.join(map(str.strip, titles[shown:]))}; use --json for all")


def _print_rows(name: str, rows: pa.Table) -> None:
    """Print a table without empty columns; if that is too wide, print one value per line."""
    columns = [column for column in rows.column_names if rows[column].null_count < rows.num_rows]
    cells = [
        [formatters.cell(column, row[column], row.get("currency")) for column in columns]
        for row in rows.to_pylist()
    ]
    titles = [column if (short := column.removesuffix("_cents")) in columns else short for column in columns]
    if fits_terminal(titles, cells):
        print_table(name, titles, cells)
        return
    for number, row in enumerate(cells, 1):
        say(f"{name}: {number} of {len(cells)}")
        for title, text in zip(titles, row, strict=True):
            if text:
                say(f"  {title.ljust(max(map(len, titles)))}  {printable(text)}")


def _plain(value: Any) -> Any:
    """Return the value with all bytes in it decoded to text."""
    match value:
        case bytes():
            return value.decode(errors="backslashreplace")
        case list():
            return list(map(_plain, value))
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
    return value
