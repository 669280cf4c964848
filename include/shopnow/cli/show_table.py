"""`show TABLE`: print the newest rows of a lake table."""

from typing import Any

import pyarrow as pa

from shopnow.cli import formatters
from shopnow.cli.output import fits_terminal, print_json, print_table, say
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.kpis import KPIS, Kpi, values
from shopnow.lake.delta import catalog
from shopnow.lake.delta.preview import newest_rows
from shopnow.lake.delta.tables import Table
from shopnow.text_format import printable

_KPIS = {kpi.name: kpi for kpi in KPIS}


def show_table(table: Table, limit: int, as_json: bool) -> None:
    """Print the newest `limit` rows of a lake table.

    Raises:
        UserError: the table does not exist.
    """
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
            name,
            formatters.headings(service),
            [formatters.raw_cells(service, row) for row in rows.to_pylist()],
        )
    elif name in _KPIS:
        _print_kpi(_KPIS[name], rows)
    else:
        _print_rows(name, rows)


def _print_kpi(kpi: Kpi, rows: pa.Table) -> None:
    """Print the columns that fit, the most important first, and name those that do not fit."""
    columns = [
        column for column in formatters.by_importance(kpi.value_columns) if column in rows.column_names
    ]
    columns = [
        column for column in columns if rows[column].null_count < rows.num_rows or column in kpi.key_columns
    ]
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
